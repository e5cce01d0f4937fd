"""The alarms: conditions that begin and end."""

from collections.abc import Mapping

from itop_bridge.log.entry import Condition

_BY_PERSON = "SIGHUP (`systemctl reload`), or a restart: only a person can tell"

ALARMS: Mapping[str, Condition] = {
    # the broker
    "broker_refused": Condition(
        "The broker refuses the connection.",
        "the broker accepts it",
        "Mend `mqtt.username`, `mqtt.password` or the broker's account; restart.",
    ),
    "broker_unreachable": Condition(
        "There is no connection to the broker. It keeps what comes, as long as it runs.",
        "the broker accepts the connection",
        "Look whether the broker runs, and whether its address, port and certificate are those of `mqtt`; under "
        "systemd also at `IPAddressAllow`.",
    ),
    "broker_unstable": Condition(
        "The bridge hung up right after connecting, three times in a row.",
        "a connection lasts",
        "Read the `reason` of `broker.lost`: what the broker sends cannot be used, or its answers do not come.",
    ),
    "client_id_in_use": Condition(
        "Another client uses the bridge's client id, and the two throw each other out.",
        "a connection lasts",
        "End the other one: a second bridge, or a test. Or give this one a `mqtt.client_id` of its own.",
    ),
    "session_lost": Condition(
        "The broker had no session: what it kept for us may be lost.",
        "the broker has our session at the next connection",
        "As `broker.session_missing`: let the SIEM send again what it raised since the last `broker.lost`.",
    ),
    "subscription_refused": Condition(
        "The broker does not grant `filters` at QoS 1: nothing comes by them.",
        "the broker grants them; it is asked again and again",
        "Let the bridge's account read these topics in the broker's ACL.",
        always=("filters",),
    ),
    "source_silent": Condition(
        "Nothing came by the topics of `routes` for as long as their `expect_every` says; `heard` is when "
        "the longest was heard last.",
        "each of them is heard again",
        "Look at the SIEM of each route, and at what lies between it and the broker (`mosquitto_sub -t TOPIC -v`).",
        always=("routes", "heard"),
    ),
    # iTop
    "attachments_refused": Condition(
        "The bridge's user may not attach alerts, or iTop is in read-only mode; incidents go on. One is tried "
        "once an hour.",
        "one is attached, or after a reload",
        "Nothing by night: they wait in the journal. Let the user's profile create and read the class Attachment.",
    ),
    "cmdb_unavailable": Condition(
        "CIs of `classes` cannot be looked up in iTop: new incidents are made without them.",
        "a look-up works",
        "Nothing by night. By day: a right that the bridge's user lacks, or a class that this iTop does not have.",
        always=("classes",),
    ),
    "itop_mismatch": Condition(
        "iTop does not have what a route wants to write; `detail` has each mismatch with its line in the "
        "configuration.",
        "iTop is asked again, after a reload or a restart, and has it all",
        "Mend the configuration or iTop, then reload.",
    ),
    "itop_not_allowed": Condition(
        "iTop refuses an operation for now; `reason` is `not_allowed` or `database`.",
        "the operation works; it is tried again by itself",
        "`not_allowed`: give the bridge's user a profile that may write (Support Agent, Service Desk Agent), or end "
        "iTop's read-only mode. `database`: look at iTop's database.",
        always=("reason",),
    ),
    "itop_read_refused": Condition(
        "iTop answers, and refuses what the bridge asks to read.",
        "it answers that too",
        "Read `detail`: a right that the bridge's user lacks, or a class that this iTop does not have.",
    ),
    "itop_slow": Condition(
        "Half of the last calls took iTop more than 2 s, for a minute: incidents come late when many alerts do.",
        "half of them take less than 1 s",
        "Look at iTop's load and its database (slow queries, a backup). The bridge makes fewer calls at a time by "
        "itself; lower `itop.rate` if others suffer.",
    ),
    "itop_throttled": Condition(
        "For half a minute iTop's front has answered 429 and let nothing through: nothing is delivered.",
        "a call gets through",
        "Nothing is lost. Raise the limit of that front (web server, firewall, proxy) for the bridge's address, or "
        "set `itop.rate` below it.",
    ),
    "itop_unreachable": Condition(
        "iTop cannot be reached; `reason` is `not_sent`, `no_answer`, `maintenance` or `credentials`. Alerts are kept.",
        "a probe is answered",
        "Look at iTop. `credentials`: mend the account or its profile REST Services User; a new password here needs a "
        "restart. Until then nothing new is in iTop: watch the SIEM itself.",
        always=("reason",),
    ),
    # results
    "results_overflowing": Condition(
        "More results of alerts wait for the broker than are kept: the oldest are given up. Alerts are not affected.",
        "fewer wait",
        "Look why the broker does not take them: `result.delayed`, `broker_unreachable`. Or take `results` out of the "
        "configuration.",
    ),
    # the journal
    "journal_full": Condition(
        "The disk is full: nothing is acknowledged, the broker keeps what comes.",
        "the journal stores again",
        "Make space on the disk of the journal; it goes on by itself.",
    ),
    "journal_wal_grows": Condition(
        "A program reads the journal without an end, so that its log (`journal.db-wal`, `bytes`) is larger than 256 "
        "MiB.",
        "that program ends",
        "Find it (`fuser /var/lib/itop-bridge/journal.db`), and end it.",
        always=("bytes",),
    ),
    # mail
    "mail_failing": Condition(
        "Mails are not sent; `reason` is `unreachable`, `login_refused`, `recipients_refused`, `refused` or "
        "`deferred`. What they tell of is kept, and summed up in the next one. Incidents are not affected.",
        "the mail server takes a mail",
        "`itop-bridge check --online` tells what the server says. Mend `mail`, then reload. Until then nobody is told "
        "by mail: watch the console.",
        always=("reason",),
    ),
    # the daemon itself
    "configuration_rejected": Condition(
        "The configuration was to be read again and is not usable: the old one stays in use, and the next start would "
        "end with exit code 78; `detail` has the first problems.",
        "a reload that works",
        "Do not restart. Mend what `detail` names (`itop-bridge check` tells the same), and reload.",
    ),
    "triage_behind": Condition(
        "Messages wait to be read for longer than `mail.escalate_after` says: there may be anything in them (`events`: "
        "how many). Only where mail is configured.",
        "the oldest is younger again",
        "`itop-bridge status` tells how fast it goes. If it does not go at all, restart; else find who sends so much.",
        always=("events",),
    ),
    "daemon_stalled": Condition(
        "A part of the daemon hangs; `stalled` has each with the seconds since it moved last: `loop`, `writer` (of the "
        "journal), `triage`, `delivery`, or one task of delivery.",
        "it moves again",
        "systemd ends the daemon and starts it again within half a minute; nothing is lost. Where it comes again, "
        "look at the disk (`writer`) or at your own factories (`triage`, `loop`); else report it with the log.",
        always=("stalled",),
    ),
    # delivery
    "case_parked": Condition(
        "Cases wait for a person; it tells of the last one.",
        "no case is parked any more: `dead-letters retry` or `drop`, a reload, or a restart",
        "As `case.parked`: mend what its `detail` names, then reload.",
        always=("case", "reason"),
    ),
    "delivery_paused": Condition(
        "An operator holds routes back; `detail` says which.",
        "`itop-bridge resume`",
        "Ask who paused it (`control.performed` has the `uid`); `itop-bridge resume`.",
    ),
    "incident_twin": Condition(
        "iTop has more than one incident of a case: the bridge goes on in `incident`, and not in `twin`.",
        _BY_PERSON,
        "Close one of them in iTop by hand.",
        always=("case", "incident", "twin"),
    ),
    "log_budget": Condition(
        "The bridge has written as many entries in `incident` as `log_budget` lets it; what would only be one is "
        "dropped.",
        _BY_PERSON,
        "Look for the rule of the SIEM that fires so often, and resolve the incident when it is done.",
        always=("incident",),
    ),
    "log_full": Condition(
        "The log of `incident` takes no more entries, of anyone; what would only be one is dropped.",
        _BY_PERSON,
        "Go on in another incident: close this one, and the next alert opens one.",
        always=("incident",),
    ),
    "reference_refused": Condition(
        "iTop does not know a team, service or person of the settings, or refuses the CI that was found (`attribute`); "
        "the incident is made without it.",
        _BY_PERSON,
        "Mend the name in the configuration or in iTop, then reload.",
        always=("attribute",),
    ),
    "resolve_way_closed": Condition(
        "`incident` cannot be resolved from its `status`; the resolve is a log entry.",
        _BY_PERSON,
        "Take the incident out of that status in iTop, and resolve it by hand.",
        always=("incident", "status"),
    ),
}
