"""The hosts of a site: what each holds, how it gets it, and how it is cut off."""
