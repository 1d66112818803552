"""Analytics: rollups folded from every event, each figure recountable."""
