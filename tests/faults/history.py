"""What was asked and answered, written down outside the system: one JSON object per line.

Every line has `at` (UTC) and `kind`:

- `post`: one try of one feedback. `number` is the feedback's own, `attempt` counts its tries, `channel`, `account` and
  `external_id` are its natural key, `expect` is `accepted` or `refused`, `seconds` how long the answer took. `status` is
  null when no answer came, `error` then says why; `id` and `duplicate` are those of a 202.
- `verb`: one try of one verb on a ticket: `ticket_id`, `verb`, `body`, `attempt`, `seconds`, `status`, `error`; of a 200
  `state` is the ticket's status afterwards and `cycle` its cycle.
- `fault`: what the test did to the system: `fact` and what belongs to it.
"""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ACCEPTED = 202
REFUSED = 422


class History:
    """Appends lines to a file, from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, kind: str, **facts: Any) -> None:
        """Append one line."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(), "kind": kind, **facts}, ensure_ascii=False)
        with self._lock:
            self._file.write(f"{line}\n")

    def fault(self, fact: str, **facts: Any) -> None:
        """Append what was done to the system."""
        self.write("fault", fact=fact, **facts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def lines(path: Path, kind: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history, or those of one kind."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            line: dict[str, Any] = json.loads(text)
            if kind is None or line["kind"] == kind:
                yield line


def accepted(path: Path) -> dict[int, set[str]]:
    """Return the feedbacks that were answered 202: the number and every id it was given, which should be one."""
    found: dict[int, set[str]] = {}
    for line in lines(path, "post"):
        if line["status"] == ACCEPTED:
            found.setdefault(line["number"], set()).add(line["id"])
    return found
