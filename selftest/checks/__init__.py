"""The checks by what they look at; `selftest.catalog` puts them in order."""
