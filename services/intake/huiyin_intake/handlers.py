"""Events intake takes: API keys, so that channels can be let in."""

from typing import Final

from huiyin_chassis.auth import subscribe_keys
from huiyin_eventbus.subscriptions import Subscriptions

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)
