"""Renewal of a site, without a network."""
