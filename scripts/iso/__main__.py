"""Makes the image of unpacked packages: ``python -m scripts.iso``, run by scripts/iso/build."""

import argparse
import sys
from pathlib import Path

from scripts.iso import disc, initramfs, parameters
from scripts.iso.debian import BuildError, Packages

SOURCE = Path(__file__).parent


def make(options: argparse.Namespace) -> None:
    """Writes the image, with ``options.work`` for what lies on the way."""
    packages = Packages(options.packages)
    root, files, plain = (options.work / name for name in ("root", "disc", "initrd"))
    _log("laying out the root file system")
    initramfs.lay_out(packages, SOURCE, options.agent, root)
    initramfs.add_options(root, options.firmware, debug_shell=options.debug_shell)
    plain.write_bytes(initramfs.packed(root))
    disc.add_boot(packages, SOURCE, files)
    _log(f"compressing {plain.stat().st_size // 1_000_000} MB")
    packages.run("usr/bin/zstd", "-19", "--single-thread", "-q", "-o", files / "boot/initrd.zst", plain)
    (files / "boot/run.cpio").write_bytes(parameters.blank())
    (files / disc.MANIFEST).write_bytes(options.manifest.read_bytes())
    disc.write(packages, files, disc.make_efi(packages, SOURCE, options.work), options.output)
    disc.find_once(options.output, parameters.AREA_HEAD)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts.iso")
    for name in ("--packages", "--agent", "--manifest", "--work"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--firmware", type=Path)
    parser.add_argument("--debug-shell", action="store_true")
    parser.add_argument("output", type=Path)
    return parser.parse_args()


def _log(text: str) -> None:
    print(f"iso: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Exit 0 made, 1 not, 130 interrupted."""
    try:
        make(_options())
    except (BuildError, OSError) as error:
        _log(f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        return 130  # the shell's own status for it
    return 0


if __name__ == "__main__":
    sys.exit(main())
