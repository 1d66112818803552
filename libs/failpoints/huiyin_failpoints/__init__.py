"""Failpoints: named places at which a fault test makes a real process die, freeze or fail.

Nothing happens unless `HUIYIN_FAILPOINTS` names a place when the process starts:

    HUIYIN_FAILPOINTS="relay.after_produce=kill@3,consumer.after_effects=error"

Each entry is `LABEL=ACTION` or `LABEL=ACTION@N`; it acts once, the N-th time the place is reached (the first without N).
"""

from huiyin_failpoints.arming import Armed, FailpointHit, FailpointUnknown, armed_by, armed_from_environment
from huiyin_failpoints.labels import LABELS

__all__ = ["LABELS", "Armed", "FailpointHit", "FailpointUnknown", "armed_by", "reach"]

_armed = armed_from_environment()


def reach(label: str) -> None:
    """Do what this place is armed with; nothing when it is not, for the price of a function call.

    Raises FailpointHit when the action is `error`.
    """
    if _armed:
        _act(label)


def _act(label: str) -> None:
    armed = _armed.get(label)
    if armed is not None:
        armed.reached()
