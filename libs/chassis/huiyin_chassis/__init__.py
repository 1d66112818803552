"""The chassis every service runs on: settings, database, keys, problems, health, metrics, CLI, host."""
