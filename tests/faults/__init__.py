"""Fault tests: the suite as real processes, broken on purpose, then recounted.

`stack` starts it on a `ground`, `load` and `operators` use it and keep a `history`, a `scenario` breaks and heals it and
judges what is left. What can be done to one process stands in `processes`, to a connection in `proxy`, to a disk in `disks`.
"""
