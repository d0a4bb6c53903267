"""A site of three hosts that renews itself."""
