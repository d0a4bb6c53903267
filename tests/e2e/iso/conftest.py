"""Real machines (QEMU) need root, packages and minutes: ``scripts/e2e-iso`` runs this, and nothing else."""

import os

collect_ignore_glob = [] if os.environ.get("BRINGUP_E2E_ISO") else ["test_*.py"]
