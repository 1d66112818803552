"""What Huiyin costs and how fast it is, always beside something else in the same run.

`python -m bench` (or `make bench`) runs the measures in `measures/` and writes `results/<date>.json` and the table in
`README.md`. A measure starts real processes; what it measures against takes turns with it, because the same machine is
three times as fast at one time as at another. Nothing here is installed with Huiyin.
"""
