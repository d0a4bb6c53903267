"""Proposes the inventory's lines for a machine from its report. A person reads and applies them."""
