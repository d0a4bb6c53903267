"""Lease sources: follow what a DHCP server writes, parse leases, put them on the queue, keep a checkpoint."""
