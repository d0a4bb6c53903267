"""Everything that the API keeps, in Redis and on its own disk: the only package that knows Redis keys."""
