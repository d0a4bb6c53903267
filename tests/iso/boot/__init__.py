"""Boots the image in QEMU: ``scripts/iso/test`` runs these, and nothing else does."""
