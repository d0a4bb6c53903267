"""The self-test: proves what is really in force between us, Redis and the API, and that the rest is refused.

Nothing is imported here: `bringup pki` takes `selftest.hosts`, and would load the clients of Redis and HTTP with it.
"""
