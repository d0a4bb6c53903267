"""The one factory per kind of connection. Nothing else in bringup opens one."""
