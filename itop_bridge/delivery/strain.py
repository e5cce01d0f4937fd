"""The alarms that tell of an iTop that answers, and is strained."""

from itop_bridge.itop.strain import Slowness, Throttling
from itop_bridge.log import Alarms

THROTTLED_S = 30.0
"""A shorter pause is iTop's protection at work."""


def tell_strain(slowness: Slowness, throttling: Throttling, alarms: Alarms) -> None:
    """Raise and clear them, as things are now."""
    if slowness.is_slow:
        alarms.raise_("itop_slow", f"half of the last calls took {slowness.typical_s:.1f} s or longer")
    else:
        alarms.clear("itop_slow")
    if throttling.lasts_s >= THROTTLED_S:
        alarms.raise_("itop_throttled", f"it asks to be left alone, for {throttling.left_s:.0f} s more")
    else:
        alarms.clear("itop_throttled")
