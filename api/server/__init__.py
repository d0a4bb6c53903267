"""gunicorn and its gevent workers: connections, handshakes, time limits."""
