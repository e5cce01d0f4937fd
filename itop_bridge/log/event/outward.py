"""What is logged of what the bridge publishes: whether iTop is reached, and results of alerts."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

EVENTS: Mapping[str, Event] = {
    "presence.refused": Event(
        "warning",
        "The broker does not let us publish `<base_topic>/itop`: whoever reads it sees an old word.",
        "Let the bridge's account write `<base_topic>/#` in the broker's ACL, then reload the bridge.",
        always=("detail",),
        sometimes=("count",),
    ),
    "result.delayed": Event(
        "warning",
        "The broker is connected and does not take results; they wait, and are published again.",
        "Nothing, if it ends. Else look at the broker and its log.",
        always=("detail",),
        sometimes=("count",),
    ),
    "result.refused": Event(
        "warning",
        "The broker does not let us publish results to `topic`: those of this route, or below this "
        "`mqtt.response_prefix`, are given up for an hour.",
        "Let the bridge's account write `<base_topic>/#`, and what is below `mqtt.response_prefix`, in the broker's "
        "ACL, then reload the bridge.",
        always=("topic", "route", "detail"),
        sometimes=("count",),
    ),
}
