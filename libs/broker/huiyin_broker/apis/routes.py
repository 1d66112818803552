"""Which APIs there are: what is not in `ROUTES` is neither advertised nor answered."""

from huiyin_broker.apis import fetch, groups, metadata, offsets, produce, sasl, topics
from huiyin_broker.apis.call import Route

ROUTES: dict[int, Route] = {
    route.key: route
    for family in (metadata, produce, fetch, groups, offsets, topics, sasl)
    for route in family.ROUTES
}
"""API key → route."""
