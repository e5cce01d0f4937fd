"""What triage logs: alerts that were read, dropped or refused; silences, storms and sources that went quiet."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

EVENTS: Mapping[str, Event] = {
    "alerts.mapped": Event(
        "info",
        "Alerts were read from events: so many were accepted, dropped and rejected since the last such line, which "
        "comes every ten seconds at most. `reasons` counts why they were dropped (operations.md).",
        always=("accepted", "dropped", "rejected"),
        sometimes=("reasons",),
    ),
    "elements.rejected": Event(
        "warning",
        "Alerts cannot be mapped, and are dead letters now; `reasons` counts why, `routes` are those that took them, "
        "and `event_id` is the event of the first (`itop-bridge events show EVENT_ID`).",
        "`itop-bridge dead-letters list`, mend the route, format or factory, reload, `dead-letters retry`. What is in "
        "them is in no incident: look whether one of them burns.",
        always=("reasons", "event_id", "routes"),
    ),
    "letters.reported": Event(
        "info",
        "Dead letters of a day (UTC) that have the same reason are told by an own incident: so many are open, of so "
        "many that the journal has; with 0 open ones it ends.",
        always=("reason", "day", "open", "total"),
    ),
    "letters.retried": Event(
        "info",
        "Dead letters were tried again: so many are accepted, dropped, or dead again.",
        always=("accepted", "dropped", "rejected"),
    ),
    "silence.began": Event("info", "A silence holds from now on.", always=("silence",)),
    "silence.ended": Event(
        "info",
        "A silence holds no longer; `dropped` counts the alerts meanwhile.",
        always=("silence", "dropped"),
    ),
    "source.heard": Event(
        "info",
        "A route's source that was silent was heard again (`heard`: when).",
        always=("route", "heard"),
    ),
    "source.lost": Event(
        "warning",
        "Nothing came by a route's topics for as long as its `expect_every` says (`heard`: when last).",
        "Look at the SIEM of that route, and at what lies between it and the broker (`mosquitto_sub -t TOPIC -v`).",
        always=("route", "heard"),
    ),
    "storm.began": Event(
        "warning",
        "A route has so many new cases that further ones share one incident, until fewer come.",
        "Look at the storm's incident in iTop, and for the rule of the SIEM that fires so often.",
        always=("route", "organization", "case"),
    ),
    "storm.ended": Event(
        "info",
        "A storm is over, since fewer new cases came: `cases` of them share its incident.",
        always=("route", "organization", "case", "cases", "lasted_s"),
    ),
}
