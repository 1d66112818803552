"""What can go wrong when feedback is read and a suite is driven from outside.

SimulatorError
├── BadRow            a line of a JSONL file is not a row of feedback
├── FileUnreadable    the file cannot be opened
├── KeyMissing        no key was given, by option or by setting
├── KeyRefused        the suite does not take the key, or not for this
├── SuiteUnreachable  no answer, or only "try again later", for as long as we were patient
├── RequestRefused    the suite answered that the request is wrong
├── SuiteFailed       the suite that we started ended by itself, or would not stop in time
├── FolderNotOurs     a folder that the demo did not make stands where it would make one
├── DemoRunning       another demo runs on the folder
└── Stopped           the operator asked for an end
"""

from pathlib import Path


class SimulatorError(Exception):
    """Base of everything this package raises on purpose; the message is one line for the operator."""

    exit_code = 1


class BadRow(SimulatorError):
    """A line cannot be read as feedback; `line` counts from 1, `reason` never quotes the text."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class FileUnreadable(SimulatorError):
    """The file with the feedback cannot be opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}")
        self.path = path


class KeyMissing(SimulatorError):
    """There is no key to speak with."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("no API key: give --key or set HUIYIN_ADMIN_KEY")


class KeyRefused(SimulatorError):
    """The suite knows no such key (401), or the key may not do this (403)."""

    def __init__(self, path: str, *, status: int) -> None:
        reason = "does not know the key" if status == 401 else "does not let this key in"  # noqa: PLR2004
        super().__init__(f"{path} {reason}")
        self.path = path
        self.status = status


class SuiteUnreachable(SimulatorError):
    """The suite gave no answer in time, however often it was asked."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"{url} cannot be reached: {reason}")
        self.url = url


class RequestRefused(SimulatorError):
    """The suite refused a request for what it says; `detail` is the problem document's."""

    def __init__(self, path: str, *, status: int, detail: str) -> None:
        super().__init__(f"{path} answered {status}: {detail}")
        self.path = path
        self.status = status
        self.detail = detail


class SuiteFailed(SimulatorError):
    """The suite that this process started did not start, run or stop as it should."""


class FolderNotOurs(SimulatorError):
    """Something that no demo made stands where the demo keeps its data; it is left as it is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} was not made by a demo and stays as it is: move it, or set HUIYIN_DATA_DIR"
        )
        self.folder = folder


class DemoRunning(SimulatorError):
    """Another demo, or the suite that it left up, works on the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another demo runs on {folder}: stop it first, or set HUIYIN_DATA_DIR")
        self.folder = folder


class Stopped(SimulatorError):
    """The operator asked for an end before there was a result."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped")
