"""The event bus: transactional outbox, relay, consumer with inbox, retries and dead letters."""
