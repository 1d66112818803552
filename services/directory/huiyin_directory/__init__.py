"""Directory: departments and other units, people, roles and API keys."""
