"""What can be wrong with feedback read from a file.

SimulatorError
└── BadRow   a line of a JSONL file is not a row of feedback
"""


class SimulatorError(Exception):
    """Base of everything this package raises on purpose."""


class BadRow(SimulatorError):
    """A line cannot be read as feedback; `line` counts from 1, `reason` never quotes the text."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason
