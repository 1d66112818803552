"""The generated parts of docs/guide/guarantees.md: written by `python -m tests.guarantees` from committed results."""
