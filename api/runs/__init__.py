"""What happens to a run, decided by pure functions: no Redis, no HTTP, no clock."""
