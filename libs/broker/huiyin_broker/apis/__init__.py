"""The Kafka APIs the broker speaks, one module per family; what is not in `ROUTES` is refused."""

from huiyin_broker.apis import fetch, groups, metadata, offsets, produce, sasl, topics
from huiyin_broker.apis.call import Route

ROUTES: dict[int, Route] = {
    route.key: route
    for family in (metadata, produce, fetch, groups, offsets, topics, sasl)
    for route in family.ROUTES
}
"""API key → route."""
