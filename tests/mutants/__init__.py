"""Bugs planted on purpose: each is a fault that event-driven systems are known for, and a test must notice it.

A planted bug is a file in `planted/`: what is wrong, the lines that change, and the tests that must fail. Run them with
`python -m tests.mutants`; they work on a copy and leave the tree alone.
"""

from tests.mutants.planted_bug import Edit, EditDoesNotFit, PlantedBug, planted_bugs
from tests.mutants.trial import Verdict
from tests.mutants.verdicts import load_verdicts, table

__all__ = ["Edit", "EditDoesNotFit", "PlantedBug", "Verdict", "load_verdicts", "planted_bugs", "table"]
