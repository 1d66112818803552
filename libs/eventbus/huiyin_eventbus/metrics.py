"""Every metric of the bus, with unit and meaning. Labels are services, groups and topics: never keys or ids."""

from prometheus_client import Counter, Gauge, Histogram

outbox_rows = Gauge("huiyin_outbox_rows", "Events waiting to be published.", ["service"])
outbox_oldest_seconds = Gauge(
    "huiyin_outbox_oldest_seconds", "Age of the oldest event waiting to be published.", ["service"]
)
published_total = Counter("huiyin_events_published", "Events the broker has acknowledged.", ["service"])
publish_failures_total = Counter(
    "huiyin_publish_failures", "Batches that were not acknowledged and will be sent again.", ["service"]
)
consumed_total = Counter("huiyin_events_consumed", "Events handled and committed.", ["group", "topic"])
duplicates_total = Counter("huiyin_events_duplicate", "Events that the inbox had seen before.", ["group"])
dead_letters_total = Counter("huiyin_dead_letters", "Events put aside as poison.", ["group", "topic"])
parked_total = Counter(
    "huiyin_events_parked", "Events parked for a later try, or behind one of their key.", ["group"]
)
event_gap_total = Counter(
    "huiyin_event_gap", "Events whose predecessor of the same topic and key was never seen.", ["group"]
)
event_stale_total = Counter(
    "huiyin_event_stale", "Events that came after a later one of the same topic and key.", ["group"]
)
lost_ownership_total = Counter(
    "huiyin_lost_ownership", "Batches rolled back because the offsets had moved meanwhile.", ["group"]
)
consumer_restarts_total = Counter(
    "huiyin_consumer_restarts", "Consumers made anew after trouble with the broker.", ["group"]
)
consumer_stopped = Gauge(
    "huiyin_consumer_stopped", "1 while a flood of poison holds the consumer.", ["group"]
)
consumer_lag_events = Gauge(
    "huiyin_consumer_lag_events", "Events in the log that the group has yet to take.", ["group", "topic"]
)
batch_seconds = Histogram(
    "huiyin_consumer_batch_seconds",
    "Time from taking a batch to its commit.",
    ["group"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
