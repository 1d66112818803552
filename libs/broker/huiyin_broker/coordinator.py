"""The group coordinator: every live group of this broker.

It lives in the event loop only. Members and generations are not stored: after a restart of the broker every member
is unknown, joins again, and goes on from the committed offsets, which are in the log.
"""

from datetime import timedelta

from huiyin_broker.groups import Group, GroupState
from huiyin_broker.live_group import LiveGroup


class Coordinator:
    """Finds and makes live groups."""

    def __init__(self, *, initial_delay: timedelta) -> None:
        self._initial_delay = initial_delay
        self._groups: dict[str, LiveGroup] = {}

    def joined_group(self, group_id: str) -> LiveGroup:
        """Return the group, made when it is new."""
        if group_id not in self._groups:
            self._groups[group_id] = LiveGroup(group_id, initial_delay=self._initial_delay)
        return self._groups[group_id]

    def known_group(self, group_id: str) -> LiveGroup:
        """Return the group, or an empty one that is not kept."""
        return self._groups.get(group_id) or LiveGroup(group_id, initial_delay=self._initial_delay)

    def groups(self) -> dict[str, Group]:
        """Return the state of all groups with or without members, by id."""
        return {group_id: live.group for group_id, live in self._groups.items()}

    def is_empty(self, group_id: str) -> bool:
        """Whether nobody is or is about to be in the group."""
        live = self._groups.get(group_id)
        return live is None or live.group.state is GroupState.EMPTY

    def forget(self, group_id: str) -> None:
        """Drop an empty group."""
        live = self._groups.pop(group_id, None)
        if live is not None:
            live.close()

    def forget_idle(self) -> None:
        """Drop the groups that nobody is in; their committed offsets stay in the log."""
        for group_id, live in list(self._groups.items()):
            if live.group.state is GroupState.EMPTY and not live.group.pending:
                self.forget(group_id)

    def close(self) -> None:
        """Answer everybody who waits and stop all timers."""
        for live in self._groups.values():
            live.close()
