"""The end of a run that comes from outside."""


class RunOver(Exception):
    """The run has ended; the text says why. Nothing more is to be done for it."""
