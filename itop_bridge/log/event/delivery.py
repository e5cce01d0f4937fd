"""What delivery logs: writes to iTop and what became of them, and cases."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

_WRITE = ("case", "incident", "attempt", "route", "alerts", "reason", "duration_ms", "urgency", "waited_s")
_FAILURE = ("case", "incident", "attempt", "route", "alerts", "reason", "detail")

EVENTS: Mapping[str, Event] = {
    "alerts.expired": Event(
        "info",
        "So many alerts no longer count as firing, since no resolve came within `firing_expires`.",
        always=("alerts",),
    ),
    "alerts.handled_by_person": Event(
        "info",
        "A person resolved or closed the incident: the alerts that it was told of have no further effect.",
        always=("case", "incident", "route"),
    ),
    "attachment.added": Event(
        "info",
        "The alert that opened an incident is attached to it, as `name`.",
        always=("case", "incident", "route", "event_id", "name", "bytes"),
    ),
    "attachment.failed": Event(
        "warning",
        "The alert that opened an incident is not attached to it, and is not tried again: the incident is gone, iTop "
        "refuses it (`refused`, `too_large`), or it failed again and again (`given_up`).",
        "`itop-bridge events show EVENT_ID` has the alert, for as long as `journal.keep`. For `too_large`, or "
        "`refused` on the way: raise PHP's `post_max_size` and the web server's limit, or lower `attach.most`.",
        always=("case", "incident", "route", "event_id", "reason", "detail"),
    ),
    "attachment.postponed": Event(
        "warning",
        "An alert could not be attached, or that is not known (`no_answer`): it is looked for, and tried again.",
        always=("case", "incident", "route", "event_id", "reason", "detail"),
        sometimes=("count",),
    ),
    "attempt.absent": Event(
        "info",
        "A write whose outcome was not known did not reach iTop; it is planned anew.",
        always=("case", "incident", "attempt", "route", "kind"),
    ),
    "attempt.failed": Event(
        "warning",
        "iTop refused a write, or it was not sent; `reason` says what follows (delivery.md). `twin_not_noted`: the "
        "note that tells of an `incident_twin` could not be written.",
        "Nothing for `not_done` and `changed_meanwhile`: it is tried again. Else read `detail`; a case that cannot go "
        "on by itself is parked, and `case.parked` says so.",
        always=("case", "incident", "attempt", "reason", "detail"),
        sometimes=("route", "alerts", "ci", "count"),
    ),
    "attempt.given_up": Event(
        "error",
        "A log entry went missing however often it was written again; it is a dead letter (`entry_lost`) with its "
        "text.",
        "`itop-bridge dead-letters show ID` has the text. Find who saves that incident again and again (a script, a "
        "second integration), then `dead-letters retry`.",
        always=("case", "incident", "attempt"),
    ),
    "attempt.lost": Event(
        "warning",
        "A log entry that iTop had accepted is gone, since another save overwrote it; it is written again.",
        always=("case", "incident", "attempt"),
    ),
    "attempt.rewrite_failed": Event(
        "warning",
        "Writing a lost log entry again failed; it is looked for once more.",
        always=("case", "incident", "attempt", "reason", "detail"),
    ),
    "attempt.unknown": Event(
        "warning",
        "A write has no known outcome; it is looked up in iTop before anything else is written for its case. "
        "`failures`: how often in a row a write of the case has failed before.",
        "Nothing. If many come: iTop is slower than `itop.timeout`, or fails after it has written; look at its log.",
        always=(*_FAILURE, "failures"),
        sometimes=("ci",),
    ),
    "attempt.verified": Event(
        "info",
        "A write whose outcome was not known was found in iTop: it is done.",
        always=("case", "incident", "attempt", "kind"),
    ),
    "attempts.unknown": Event(
        "warning",
        "So many writes were under way when the daemon ended; they are looked up in iTop in `look_in_s` seconds.",
        always=("attempts", "look_in_s"),
    ),
    "case.left_shadow": Event(
        "info",
        "A case that had only a shadow incident is live now, and begins anew.",
        always=("case", "incident"),
    ),
    "case.parked": Event(
        "error",
        "A case waits for a person; what comes for it joins it without a call. `reason` and `detail` say why.",
        "Mend what `detail` names (a missing organisation, a field that iTop refuses), then `systemctl reload "
        "itop-bridge`, or `itop-bridge dead-letters retry ID`. Until then its alerts are not in iTop: read them with "
        "`itop-bridge cases show CASE`.",
        always=("case", "incident", "reason", "detail"),
    ),
    "case.released": Event(
        "info", "So many parked cases are tried again, since the configuration was read again.", always=("cases",)
    ),
    "configuration.mismatched": Event(
        "error",
        "iTop does not have what a route wants to write; `mismatch` has it with its line in the configuration.",
        "Mend the configuration or iTop, then reload; `itop-bridge check --online` finds the same.",
        always=("mismatch",),
    ),
    "incident.adopted": Event(
        "info",
        "An open incident of the case, which the journal did not know, was found in iTop and is used.",
        always=("case", "incident"),
    ),
    "incident.advanced": Event(
        "info", "An incident was taken a step of the configured path to resolved.", always=_WRITE
    ),
    "incident.appended": Event(
        "info",
        "A log entry was written in an incident, `waited_s` after the oldest of its alerts came; by design too "
        "(`group_interval`).",
        always=_WRITE,
    ),
    "incident.created": Event(
        "info",
        "An incident was created, `waited_s` after the oldest of its alerts came; `ci` is the CI that was attached, or "
        "why none was. With `verified`, iTop's answer was lost and the incident was found later (`attempt.verified`).",
        always=("case", "incident", "attempt", "route", "alerts", "urgency"),
        sometimes=("reason", "duration_ms", "waited_s", "ci", "verified"),
    ),
    "incident.foreign": Event(
        "warning",
        "iTop shows another incident (`found`) under the number of the case's (`incident`), as after a restore from a "
        "dump; it is left alone, and the case's counts as gone.",
        "Was iTop restored? Then look for what its dump did not have: `itop-bridge cases list`.",
        always=("case", "incident", "found"),
    ),
    "incident.reopened": Event("info", "A resolved incident was reopened.", always=_WRITE),
    "incident.resolved": Event("info", "An incident was resolved.", always=_WRITE),
    "incident.shadowed": Event(
        "info",
        "What would be written in iTop was kept instead.",
        always=("case", "incident", "route", "operation", "title", "alerts", "reason"),
        sometimes=("ci",),
    ),
    "intents.dropped": Event(
        "info",
        "So many alerts of a case have no effect, for a reason of delivery.md.",
        always=("case", "incident", "alerts", "reason"),
    ),
    "itop.read_failed": Event(
        "warning",
        "Reading from iTop failed; what wanted it is tried again.",
        "Nothing while `itop_unreachable` holds. Else read `detail`: a right that the bridge's user lacks, or a class "
        "that this iTop does not have.",
        always=("reason", "detail"),
        sometimes=("count",),
    ),
}
