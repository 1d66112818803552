"""Shipped feedback, seeding and the demo: a client of the services' public APIs, never part of them."""
