"""What the log says of mail to people."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

_LOOK = "See the alarm `mail_failing`."

EVENTS: Mapping[str, Event] = {
    "alerts.escalated": Event(
        "warning",
        "Alerts of high severity are not in iTop after `escalate_after` (alerts: how many): they are mailed.",
        "Look at them: the mail says what burns. Then at what keeps them from iTop: the alarms say.",
        always=("alerts",),
    ),
    "mail.failed": Event(
        "warning",
        "A mail was not sent; what it tells of stays in the journal for the next one.",
        _LOOK,
        always=("server", "reason", "detail"),
        sometimes=("count",),
    ),
    "mail.held": Event(
        "warning",
        "A mail waits, since as many were sent within an hour as may be; the next one sums it up.",
        "Nothing; or raise `mail.most_per_hour`.",
        always=("kind", "reason"),
    ),
    "mail.recipient_refused": Event(
        "warning",
        "The mail server did not take a mail for one of its recipients; the others have it.",
        "Mend the address in `recipients`, or ask whoever runs the mail server.",
        always=("recipient", "detail"),
    ),
    "mail.sent": Event(
        "info",
        "The mail server has a mail: what it is about (kind, count: how many things), and to how many recipients.",
        always=("kind", "count", "recipients"),
    ),
    "mail.text_failed": Event(
        "error",
        "A template of a mail failed; the mail went with the bridge's own text.",
        "Mend `mail.subject` or `mail.text` of the route.",
        always=("kind", "detail"),
    ),
}
