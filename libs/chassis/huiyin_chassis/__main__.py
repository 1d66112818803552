"""`python -m huiyin_chassis` is `huiyin`."""

from huiyin_chassis.cli import main

main()
