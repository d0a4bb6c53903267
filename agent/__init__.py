"""The program inside the validation image. Standard library only; it imports nothing of the project.

Started by the image's init as ``python3 -m agent``. It reads which run it serves, inspects the machine, and reports to
the callback API; `agent.main` is the order of the steps. IPv4 only: networks without it are out of scope.

What the image must hold:

- python3.11 with the files that ``python3 -S -m agent.dependencies`` prints (run it with Debian's own interpreter),
  and the shared libraries of the ``.so`` files among them (libssl and libcrypto for ``_ssl``). No site-packages.
- busybox with ``ip``, ``udhcpc`` and ``poweroff``, and an executable /usr/share/udhcpc/default.script.
- ``smartctl`` (smartmontools); without it no machine with a disk passes: its health was not read.
- mounted: /proc /sys /dev (devtmpfs) /run (tmpfs), and on UEFI machines efivarfs on /sys/firmware/efi/efivars.
- kernel modules beside the drivers: ``af_packet`` (DHCP and LLDP), ``ipmi_si`` and ``ipmi_devintf`` (the BMC's
  address), the EDAC drivers (memory errors); a kernel that sets its clock from the RTC (CONFIG_RTC_HCTOSYS).
- /etc/bringup/run.json: the area that the API fills with the run's parameters.
"""

__version__ = "0.1.0"
