"""What the router does; every use case works in the caller's transaction and never commits."""
