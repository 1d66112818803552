"""What analytics does: folds events into ledgers and rollup, keeps projections, rebuilds them."""
