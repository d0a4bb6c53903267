"""Proposes the inventory's lines for a machine from its report. A person reads and applies them."""

from bringup_cli.learn.learned import Learned, learn
from bringup_cli.learn.proposal import Change, Proposal, propose

__all__ = ["Change", "Learned", "Proposal", "learn", "propose"]
