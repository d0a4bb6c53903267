"""The vendor matrix: one simulated BMC per family, made by us from what that family is documented to do."""
