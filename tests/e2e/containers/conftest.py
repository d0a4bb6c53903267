"""Containers need root, packages and minutes: ``scripts/e2e-containers`` runs this, and nothing else."""

import os

collect_ignore_glob = [] if os.environ.get("BRINGUP_E2E_CONTAINERS") else ["test_*.py"]
