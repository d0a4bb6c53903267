"""The verdict: what a report means for a machine. Pure; the only place where one is made."""

from bringup.verdict.hardware import MEMORY_TOLERANCE
from bringup.verdict.judge import judge, judge_expected

__all__ = ["MEMORY_TOLERANCE", "judge", "judge_expected"]
