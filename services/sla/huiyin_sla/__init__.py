"""SLA: clocks, deadlines, warnings and breaches on a calendar that is right in China."""
