"""Everything that the API keeps, in Redis and on its own disk: the only rooms that know Redis keys."""
