"""The operator's door: `huiyin model predict`, the classifier without service, database or bus."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from huiyin_router.errors import LineUnreadable

if TYPE_CHECKING:
    from huiyin_router.classifier import Prediction, Text

MAX_LINE_BYTES: Final = 1024 * 1024
STARS: Final = 5
_KNOWN: Final = frozenset({"id", "text", "rating", "lang"})
_LABELS: Final = ("nature", "type", "subtype", "subtype2", "urgency", "sentiment")


def register(app: typer.Typer) -> None:
    """Add the verb `model`."""
    model = typer.Typer(help="The classifier, on its own.", no_args_is_help=True)
    app.add_typer(model, name="model")

    @model.callback()
    def model_verbs() -> None:
        """Use the classifier on its own."""

    @model.command()
    def predict(
        *,
        jsonl: Annotated[
            bool, typer.Option("--jsonl", help="One JSON document per line, in and out.")
        ] = False,
    ) -> None:
        """Label texts: {"id", "text", "rating"? of 5, "lang"?} per line of stdin gives a line of labels on stdout."""
        if not jsonl:
            raise typer.BadParameter("say --jsonl: it is the only form there is")
        for line in predicted(_lines(sys.stdin.buffer)):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def predicted(lines: Iterable[bytes]) -> Iterator[str]:
    """Yield one line of labels per line of text, as they come; blank lines are left out.

    Raises LineUnreadable with the line's number for the first one that cannot be read.
    """
    from huiyin_router.classifier import explain  # noqa: PLC0415 - the word lists are read when there is work

    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        identity, text = _text(line, number)
        (found,) = explain([text])
        yield json.dumps(_document(identity, found), ensure_ascii=False)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE_BYTES + 1):
        yield line


def _text(line: bytes, number: int) -> tuple[Any, "Text"]:
    from huiyin_router.classifier import Text  # noqa: PLC0415

    row = _row(line, number)
    text, lang, rating = row.get("text"), row.get("lang"), row.get("rating")
    if not isinstance(row.get("id"), str | int) or not isinstance(text, str):
        raise LineUnreadable(number, "needs an id and a text")
    if not isinstance(lang, str | None):
        raise LineUnreadable(number, "lang is no text")
    if rating is None:
        return row["id"], Text(text, None, lang)
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not 0 <= rating <= STARS:
        raise LineUnreadable(number, f"rating is no number from 0 to {STARS}")
    return row["id"], Text(text, rating / STARS, lang)


def _row(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise LineUnreadable(number, f"is longer than {MAX_LINE_BYTES} bytes")
    try:
        row = json.loads(line)
        # A lone surrogate can be written in JSON and nowhere else.
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise LineUnreadable(number, "is no JSON in UTF-8") from None
    if not isinstance(row, dict):
        raise LineUnreadable(number, "is no JSON object")
    if unknown := sorted(row.keys() - _KNOWN):
        raise LineUnreadable(number, f"has the unknown field {unknown[0][:50]!r}")
    return row


def _document(identity: Any, found: "Prediction") -> dict[str, Any]:
    return {
        "id": identity,
        **{name: getattr(found, name) for name in _LABELS},
        "confidence": dict(found.confidence),
        "spans": [asdict(span) for span in found.spans],
    }
