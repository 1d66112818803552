"""Write the tables of docs/guide/guarantees.md anew."""

from tests.guarantees.page import PAGE, filled

PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
