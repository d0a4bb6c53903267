"""bringup turns a DHCP lease into a validated server."""

__version__ = "0.1.0"
