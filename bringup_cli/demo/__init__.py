"""The demonstration: the whole stack on this machine, a real DHCP log, and a simulated fleet."""
