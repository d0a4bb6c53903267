"""BMCs that speak Redfish, by sushy. Source: DMTF DSP0266."""

from workers.redfish.bmc import RedfishBmc

__all__ = ["RedfishBmc"]
