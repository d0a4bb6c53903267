"""The verdict: what a report means for a machine. Pure; the only place where one is made."""
