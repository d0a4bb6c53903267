"""The verdict: what a report means for a machine. Pure; the only place where one is made."""

from bringup.verdict.hardware import MEMORY_TOLERANCE
from bringup.verdict.judge import REQUIRED_AGENT_CHECKS, judge, judge_expected

__all__ = ["MEMORY_TOLERANCE", "REQUIRED_AGENT_CHECKS", "judge", "judge_expected"]
