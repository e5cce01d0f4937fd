"""What the log says by itself: alarms, faults that repeat, and what libraries log."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

EVENTS: Mapping[str, Event] = {
    "alarm.changed": Event(
        "warning",
        "A condition holds for another `reason` than before (`previous`); one line in ten seconds at most for each.",
        "By its `alarm` and `reason`: see below.",
        always=("alarm", "reason", "previous"),
        sometimes=("detail",),
    ),
    "alarm.cleared": Event("info", "A condition that needed attention has ended.", always=("alarm", "lasted_s")),
    "alarm.held": Event(
        "warning",
        "A condition holds on, since `lasted_s` seconds; told after 1, 3, 7 … minutes, in the end every hour.",
        "By its `alarm`: see below.",
        always=("alarm", "lasted_s"),
        sometimes=("detail",),
    ),
    "alarm.raised": Event(
        "warning",
        "A condition needs attention until `alarm.cleared`; it has the fields of its alarm, too.",
        "By its `alarm`: see below.",
        always=("alarm",),
        sometimes=("detail",),
    ),
    "fault.ended": Event(
        "info",
        "What failed again and again works: its event (`fault`) and kind, how often, and for how long.",
        always=("fault", "kind", "count", "lasted_s"),
    ),
    "library.failed": Event(
        "error",
        "A library (aiohttp, aiomqtt, asyncio, …) logged an error.",
        "Nothing, while alerts go on. Report it with this line.",
        always=("logger", "message"),
        sometimes=("failure",),
    ),
    "library.warned": Event(
        "warning",
        "A library (aiohttp, aiomqtt, asyncio, …) logged a warning.",
        always=("logger", "message"),
        sometimes=("failure",),
    ),
}
