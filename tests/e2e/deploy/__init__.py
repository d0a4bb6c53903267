"""Hosts with systemd as PID 1, from an empty Debian to production."""
