"""Measurements of the tailer, each against a baseline of the same run. Run: ``python -m bench.parse`` and its like."""
