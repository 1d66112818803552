"""Imports kio as it is where Hypothesis is not installed.

kio offers its types to Hypothesis as soon as it finds it, so on a developer's machine every start would import the
testing tool: a tenth of a second and ten megabytes for nothing. In tests, where it is there already, kio may have it.
"""

import sys
from typing import Final

_TESTING_TOOL: Final = "hypothesis"


def import_kio() -> None:
    """Import kio's primitive types, on which all its schemas stand, without what only tests need."""
    if _TESTING_TOOL in sys.modules:
        return
    # None is Python's own sign for a module that must not be found.
    sys.modules[_TESTING_TOOL] = None  # type: ignore[assignment]
    try:
        import kio.static.primitive  # noqa: F401, PLC0415
    finally:
        del sys.modules[_TESTING_TOOL]


import_kio()
