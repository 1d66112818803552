"""What the sla service does: notes facts, moves clocks, sweeps deadlines, keeps the terms. Never commits."""
