"""What intake logs: the broker, and messages on their way to the disk."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

EVENTS: Mapping[str, Event] = {
    "broker.connected": Event(
        "info",
        "The broker accepted the connection.",
        always=("protocol", "session_present"),
    ),
    "broker.lost": Event(
        "warning",
        "The connection to the broker ended; the bridge connects again by itself, and the broker keeps what comes.",
        "Nothing, once `broker.connected` follows. If it goes on: look at the broker and its log, and for a second "
        "client with this client id.",
        always=("reason", "lasted_s"),
    ),
    "broker.refused": Event(
        "warning",
        "The broker refused the connection.",
        "Mend `mqtt.username`, `mqtt.password` or the broker's account; restart.",
        always=("reason", "attempt"),
        sometimes=("count",),
    ),
    "broker.session_missing": Event(
        "warning",
        "The broker had no session for us: what came while we were away may be lost.",
        "Let the SIEM send again what it raised since the last `broker.lost`. Then find out why: a broker restarted "
        "without persistence, or an absence longer than `mqtt.session_expiry`.",
    ),
    "event.journaled": Event(
        "debug",
        "Messages are on the disk, and are acknowledged now.",
        always=("count", "connection"),
    ),
    "event.redelivered": Event(
        "info",
        "The broker sent again what is journaled already; it has no effect.",
        always=("count", "connection"),
    ),
    "journal.paused": Event(
        "error",
        "The disk is full: nothing is acknowledged until the journal can store again. The broker keeps what comes.",
        "Make space on the disk of the journal. It goes on by itself (`journal.resumed`).",
        always=("detail",),
    ),
    "journal.resumed": Event("info", "The journal stores again."),
    "broker.subscribed": Event(
        "info",
        "Every topic is subscribed (filters: how many): from now on the broker keeps alerts for us, also while we are "
        "away.",
        always=("filters",),
    ),
}
