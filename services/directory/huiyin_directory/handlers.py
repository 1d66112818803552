"""Events the directory takes: its own keys come back to it as to every other service."""

from typing import Final

from huiyin_chassis.auth import subscribe_keys
from huiyin_eventbus.subscriptions import Subscriptions

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)
