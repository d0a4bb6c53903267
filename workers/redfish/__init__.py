"""BMCs that implement Redfish, with sushy. Source: DMTF DSP0266."""

from workers.redfish.driver import RedfishBmc

__all__ = ["RedfishBmc"]
