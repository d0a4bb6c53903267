"""Builds the validation image from unpacked Debian packages: ``scripts/iso/build`` runs it with their own Python."""
