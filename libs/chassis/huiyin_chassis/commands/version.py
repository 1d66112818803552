"""`huiyin version`."""

from importlib.metadata import version as version_of

import typer

from huiyin_chassis.console import AsJson, print_json, print_line


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def version(*, json: AsJson = False) -> None:
        """Print the version of Huiyin."""
        installed = version_of("huiyin")
        if json:
            print_json({"version": installed})
        else:
            print_line(f"huiyin {installed}")
