"""Proposes the inventory's lines for a machine from its report. A person reads and applies them."""

from bringup.learn.entry import Change
from bringup.learn.learned import Learned, learn
from bringup.learn.proposal import Proposal, propose

__all__ = ["Change", "Learned", "Proposal", "learn", "propose"]
