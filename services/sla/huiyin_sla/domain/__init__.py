"""The rules of the sla service: calendars, policies, deadlines and clocks.

Pure functions and frozen dataclasses. Nothing here reads a clock, a database or an event: times and facts
are arguments, so every result can be recomputed from the log.
"""
