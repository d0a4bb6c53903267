"""The SIMULATED fleet: machines that exist only in this process, behind BMCs that exist only here.

For development, demonstration and tests. Their reports are marked ``simulated``, and production refuses them.
"""
