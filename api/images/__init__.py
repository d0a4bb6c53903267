"""The validation image of each run: the base image with the run's parameters in it, at an address of its own."""
