"""The messages of the callback API: what a worker, a machine, an operator and the API send to each other."""
