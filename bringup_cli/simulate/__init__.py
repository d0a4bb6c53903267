"""The SIMULATED fleet: machines that exist only in this process, behind BMCs that exist only here.

For development, demonstration and tests. Their reports say ``simulated``, and production refuses them.
"""

from bringup_cli.simulate.fleet import Fleet
from bringup_cli.simulate.hardware_report import Fault

__all__ = ["Fault", "Fleet"]
