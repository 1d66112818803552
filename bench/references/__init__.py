"""What ours is measured against: the bare framework, the bare database, the bare client."""
