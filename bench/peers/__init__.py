"""Other products that do the same job, run beside ours on the same machine and database."""
