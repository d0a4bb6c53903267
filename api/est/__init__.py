"""Renewal by EST (RFC 7030): what a request, a trust anchor and a revocation list must be. No CA code."""
