"""What the daemon logs of itself: its start and stop, its configuration, its journal."""

from collections.abc import Mapping

from itop_bridge.log.entry import Event

EVENTS: Mapping[str, Event] = {
    "configuration.rejected": Event(
        "error",
        "The configuration that was to be loaded is not usable; the old one stays in use.",
        "Mend what `problems` names (`itop-bridge check` tells the same), and reload once more.",
        always=("problems",),
    ),
    "configuration.reloaded": Event("info", "The new configuration is in use.", always=("routes",)),
    "configuration.restart_wanted": Event(
        "warning",
        "The configuration was reloaded, and `keys` of it are not those that the daemon was started with: only a "
        "restart takes them up.",
        "Restart, which loses nothing: `systemctl restart itop-bridge`.",
        always=("keys",),
    ),
    "configuration.warned": Event(
        "warning",
        "Something in the configuration is allowed and hardly meant.",
        "Mend it by day.",
        always=("warning",),
    ),
    "console.started": Event("info", "The console listens.", always=("address",)),
    "daemon.failed": Event(
        "critical",
        "The daemon ends by an error; systemd starts it again, and nothing is lost.",
        "`failure` has the error. What the bridge knows (a disk or a file that fails, an address or a journal in use) "
        "is in its last message, without `calls`; all else is a mistake of the bridge's: report it with this line.",
        always=("failure",),
    ),
    "daemon.stage_failed": Event(
        "error",
        "A part of the daemon ended with an error.",
        "As `daemon.failed`.",
        always=("stage", "failure"),
    ),
    "daemon.started": Event(
        "info",
        "The daemon is ready; `previous` is how the run before ended: `stopped` in order, `crashed` (killed, out of "
        "memory, a power cut, an error), or `none` that the journal knows of.",
        always=("version", "routes", "shadow", "previous"),
    ),
    "daemon.stop_forced": Event(
        "warning",
        "A part of the daemon did not end in time; what it had in flight is verified after the next start.",
        always=("stage",),
    ),
    "daemon.stopped": Event(
        "info",
        "The daemon has ended, and leaves so much for the next start: events not mapped yet (`waiting`), cases that "
        "owe iTop something, writes to verify, open dead letters.",
        always=("waiting", "cases", "unverified", "dead_letters"),
    ),
    "daemon.stopping": Event(
        "info", "The daemon was asked to end, and finishes what it has begun.", always=("signal",)
    ),
    "factory.loaded": Event(
        "debug",
        "A factory is ready; `status` is `loaded`, or `overridden` by another of its name.",
        always=("factory", "origin", "status"),
    ),
    "factory.rejected": Event(
        "error",
        "A factory could not be loaded; the others work.",
        "Mend the file `origin`; `detail` says what is wrong with it. Then reload.",
        always=("factory", "origin", "detail"),
    ),
    "journal.opened": Event("info", "The journal is open.", always=("path",)),
    "journal.pruned": Event(
        "info",
        "What is settled and older than `journal.keep` was removed; `removed` counts it by kind of row, and `pages` "
        "that were given back to the disk.",
        always=("removed",),
    ),
}
