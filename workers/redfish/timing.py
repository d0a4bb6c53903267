"""How long machines take: one table, by model, and settings that override it.

Every number is what was seen, with some room; a machine that is faster is not held up, because the state is asked
all the time. A model that needs more gets a line here.
"""

from dataclasses import dataclass

from bringup.settings import Settings
from workers.redfish.resource import Resource


@dataclass(frozen=True)
class Timing:
    """In seconds.

    Args:
        power_settle_s: from an accepted power switch until the state must show it.
        media_s: from an accepted insert or eject until the slot must show it.
    """

    power_settle_s: float
    media_s: float


# iDRAC takes 25 s to eject, a Supermicro X12 40 s to mount.
_DEFAULT = Timing(power_settle_s=60, media_s=60)

# (manufacturer, model): the first line whose words are in both, in any case, counts.
_MODELS: dict[tuple[str, str], Timing] = {
    # Liquid-cooled and multi-node machines take 45 s and more to switch off.
    ("nvidia", "gb"): Timing(power_settle_s=180, media_s=120),
    ("nvidia", "dgx"): Timing(power_settle_s=120, media_s=90),
    ("supermicro", "gb"): Timing(power_settle_s=180, media_s=120),
    # X12 and X13: 202, and the image appears up to 40 s later.
    ("supermicro", ""): Timing(power_settle_s=60, media_s=90),
    # iLO 5 shows PoweringOn for up to 30 s.
    ("hpe", ""): Timing(power_settle_s=60, media_s=60),
    ("lenovo", "sd"): Timing(power_settle_s=120, media_s=60),  # dense multi-node trays
}


def timing_of(system: Resource, settings: Settings) -> Timing:
    """The pace of this system: what the settings say, else its model's line, else the default."""
    maker, model = system.text("Manufacturer").casefold(), system.text("Model").casefold()
    of_model = next((t for (m, word), t in _MODELS.items() if m in maker and word in model), _DEFAULT)
    return Timing(
        power_settle_s=settings.bmc_power_settle_s or of_model.power_settle_s,
        media_s=settings.bmc_media_s or of_model.media_s,
    )
