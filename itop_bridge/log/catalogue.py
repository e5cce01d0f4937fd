"""The catalogue: every event that is logged, and the keys that mean the same everywhere. Dashboards lean on it."""

from collections.abc import Mapping
from types import MappingProxyType

from itop_bridge.errors import BridgeError

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "alarm.cleared": "A condition that needed attention has ended (alarm, lasted_s).",
        "alarm.raised": "A condition needs attention until alarm.cleared (alarm).",
        "alerts.expired": "Alerts no longer count as firing, since no resolve came in time (alerts).",
        "alerts.handled_by_person": "Alerts that fired when a person resolved or closed their incident have no effect.",
        "alerts.mapped": "Elements of events were mapped (accepted, dropped, rejected; reasons of the dropped).",
        "attempt.absent": "A write did not reach iTop and is planned anew.",
        "attempt.failed": "iTop refused a write, or it was not sent (reason).",
        "attempt.lost": "A log entry that iTop had accepted is gone; it is written again.",
        "attempt.rewrite_failed": "Writing a lost log entry again failed; it is looked for once more (reason).",
        "attempt.unknown": "A write has no known outcome; it is looked up in iTop before anything else is written.",
        "attempt.verified": "A write was found in iTop.",
        "attempts.unknown": "Writes were under way when the daemon ended; they are looked up in iTop first (attempts).",
        "broker.connected": "The broker accepted the connection.",
        "broker.lost": "The connection to the broker ended (reason, lasted_s).",
        "broker.refused": "The broker refused the connection (reason).",
        "broker.session_missing": "The broker had no session for us: what it kept for us may be lost.",
        "broker.unreachable": "There is no connection to the broker (reason).",
        "case.left_shadow": "A case that had only a shadow incident is live now, and begins anew.",
        "case.parked": "A case waits for a person; what comes joins it without a call (reason).",
        "case.released": "A parked case is tried again.",
        "command.failed": "A command of the command line failed (command, user, reason).",
        "command.finished": "A command of the command line ended (command, user, exit_code, duration_ms).",
        "command.started": "A command of the command line began (command, user).",
        "configuration.mismatched": "iTop does not have what a route wants to write (mismatch).",
        "configuration.rejected": "The new configuration is not usable; the old one stays (problems).",
        "configuration.reloaded": "The new configuration is in use.",
        "configuration.warned": "Something in the configuration is allowed and hardly meant (warning).",
        "console.started": "The console listens (address).",
        "control.failed": "An operator's command met a mistake of the bridge's (operation).",
        "control.performed": "An operator's command changed something, or broke off (operation, uid, request, result).",
        "control.started": "The socket for operators' commands listens (path).",
        "control.unavailable": "There is no socket for operators' commands; all else goes on (reason).",
        "daemon.failed": "The daemon ends because a part of it failed.",
        "daemon.stage_failed": "A part of the daemon ended with an error while it was stopped (stage, failure).",
        "daemon.started": "The daemon is ready.",
        "daemon.stop_forced": "A part of the daemon did not end in time; what it had in flight is verified next time.",
        "daemon.stopped": "The daemon has ended, and so much is left for the next start: events not mapped yet, cases "
        "that owe, writes to verify, open dead letters (waiting, cases, unverified, dead_letters).",
        "daemon.stopping": "The daemon was asked to end and finishes what it has begun.",
        "elements.rejected": "Parts of events cannot be mapped and are dead letters (reasons).",
        "event.journaled": "Messages are on the disk and acknowledged (count).",
        "event.redelivered": "The broker sent again what is journaled already; it has no effect (count).",
        "factory.failed": "A factory raised an error; the alert is a dead letter.",
        "factory.loaded": "A factory is ready.",
        "factory.rejected": "A factory could not be loaded; the others work (reason).",
        "fault.ended": "What failed again and again works (fault: its event, kind, count, lasted_s).",
        "incident.adopted": "An open incident of the case was found in iTop and is used.",
        "incident.advanced": "An incident was taken a step of the configured path to resolved.",
        "incident.appended": "A log entry was written in an incident.",
        "incident.created": "An incident was created.",
        "incident.reopened": "A resolved incident was reopened.",
        "incident.resolved": "An incident was resolved.",
        "incident.shadowed": "What would be written in iTop was kept instead (operation, reason).",
        "intents.dropped": "Intents have no effect, for a reason of the contract (reason).",
        "itop.reachable": "iTop answers again.",
        "itop.read_failed": "Reading from iTop failed (reason).",
        "itop.unreachable": "iTop does not answer as iTop (reason).",
        "journal.opened": "The journal is open (path).",
        "journal.paused": "The journal cannot store; nothing is acknowledged until it can.",
        "journal.pruned": "What is settled and older than `journal.keep` was removed (a count for each kind of row, "
        "pages).",
        "journal.resumed": "The journal stores again.",
        "letters.retried": "Dead letters were tried again (accepted, dropped, rejected).",
        "library.warned": "A library logged a warning or an error (logger, message).",
        "silence.began": "A silence holds from now on (silence).",
        "silence.ended": "A silence holds no longer (silence, dropped: how many alerts meanwhile).",
        "source.heard": "A route's source that was silent was heard again (route, heard: when).",
        "source.lost": "Nothing came by a route's topics for `expect_every` (route, heard: when last).",
        "storm.began": "Further new cases of a route share one incident until fewer come (route, organization).",
        "subscription.refused": "The broker refused to deliver some topics (filters).",
    }
)
"""Every event that is logged, and what it tells. Dashboards lean on these names."""

KEYS = (
    "event_id",
    "alert_id",
    "case",
    "incident",
    "route",
    "factory",
    "attempt",
    "outcome",
    "reason",
    "duration_ms",
)
"""The keys that mean the same in every event, in the order in which they are written."""


class UnknownEventError(BridgeError):
    """The event is not in the catalogue of log events."""
