"""The operator's page: a client of the API that follows the change feed, and serves people on a port of its own."""
