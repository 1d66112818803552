"""The embedded broker: Kafka's wire protocol on one machine, its log in SQLite. Knows nothing of feedback."""
