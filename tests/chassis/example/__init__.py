"""A tiny service that the chassis is tried on."""
