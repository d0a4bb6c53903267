"""Real servers in network namespaces need root and three packages: ``scripts/e2e-dhcp`` runs this, and nothing else."""

import os

collect_ignore_glob = [] if os.environ.get("BRINGUP_E2E_DHCP") else ["test_*.py"]
