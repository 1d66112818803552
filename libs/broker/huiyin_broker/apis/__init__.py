"""The Kafka APIs the broker speaks, one module per family; `routes` lists them all."""
