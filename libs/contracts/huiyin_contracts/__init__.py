"""Contracts that services share: the event envelope and every event, pydantic only."""
