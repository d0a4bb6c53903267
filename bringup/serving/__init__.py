"""Serving HTTP with gunicorn and gevent: connections, handshakes, time limits. The API, images and console use it."""
