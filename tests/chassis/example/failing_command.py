"""A verb that breaks."""

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def version() -> None:
        """Break."""
        raise ZeroDivisionError("two\nlines")

    @app.command()
    def other() -> None:
        """Do nothing."""
