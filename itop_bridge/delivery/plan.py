"""The next step of a case: one pure function, the table of what is done when.

| incident of the case | firing alert                                       | resolve                                |
|----------------------|----------------------------------------------------|----------------------------------------|
| none                 | create                                             | drop `no_incident`                     |
| ongoing              | append, raise the urgency                          | resolve when nothing fires any more    |
| resolved             | append; reopen, append or renew if it came later   | drop `already_resolved`                |
| closed               | new incident that names the old one                | drop `closed`                          |
| gone                 | new incident, once per `reopen_within`; else park  | drop `incident_gone`                   |
"""

from dataclasses import dataclass

from itop_bridge.delivery.flapping import Flap
from itop_bridge.delivery.fold import Backlog, find_news
from itop_bridge.delivery.incident import Incident
from itop_bridge.itop.lifecycle import Phase, reopen_stimulus, resolve_stimulus
from itop_bridge.journal.case import CaseState
from itop_bridge.journal.turn import LOOK_TOGETHER_S
from itop_bridge.settings.policy import Policy


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do."""

    reason: str = "nothing_pending"


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until` (seconds since the epoch)."""

    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The pending intents up to `through` need no call."""

    through: int
    reason: str


@dataclass(frozen=True, slots=True)
class Create:
    """Open an incident; `previous` is the ref of the one before it."""

    through: int
    reason: str
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """Add a log entry, and raise the urgency if given."""

    through: int
    reason: str
    urgency: int | None = None


@dataclass(frozen=True, slots=True)
class Resolve:
    """Apply `stimulus`, with a log entry and a solution."""

    through: int
    reason: str
    stimulus: str


@dataclass(frozen=True, slots=True)
class Advance:
    """Apply `stimulus`, a step of the configured path to resolved; it settles nothing."""

    through: int
    reason: str
    stimulus: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """Apply `stimulus`, with a log entry."""

    through: int
    reason: str
    stimulus: str


@dataclass(frozen=True, slots=True)
class Park:
    """Put the case aside, as a dead letter, until a person looks."""

    reason: str
    detail: str


Step = Idle | Wait | Drop | Create | Append | Advance | Resolve | Reopen | Park


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan rests on."""

    case: CaseState
    backlog: Backlog
    policy: Policy
    iclass: str
    now: float
    """Seconds since the epoch."""
    closed_ways: frozenset[tuple[str, str]] = frozenset()
    """Pairs of a status and a stimulus that iTop refused there."""
    flap: Flap | None = None
    """None: the case does not flap."""

    @property
    def news(self) -> dict[str, list[str]]:
        """What the incident's log does not say yet. Where it says that the case flaps, a resolve is no news."""
        news = find_news(self.backlog, self.case.told)
        return {what: told for what, told in news.items() if what != "state" or not _is_known_to_flap(self)}


def plan(situation: Situation, incident: Incident | None) -> Step:
    """The next step of a case, with its reason. `incident` is None if iTop shows none."""
    case, backlog = situation.case, situation.backlog
    if backlog.is_empty:
        return Idle()
    if case.unsettled:
        return _wait_for_look(situation)
    if incident is None:
        return _plan_gone(situation) if case.incident is not None else _plan_new(backlog)
    if incident.phase is Phase.ONGOING:
        return _plan_ongoing(situation, incident)
    if incident.phase is Phase.RESOLVED:
        return _plan_resolved(situation, incident)
    return _plan_closed(backlog, incident)


def plan_unread(situation: Situation) -> Step | None:
    """The step that needs no look at iTop, or None: right after a log entry the next one waits without a call.

    No longer than that: a person may have closed the incident meanwhile, and then the alert must not wait.
    """
    case, backlog = situation.case, situation.backlog
    if backlog.is_empty:
        return Idle()
    if case.unsettled:
        return _wait_for_look(situation)
    ended = backlog.resolved and not _is_known_to_flap(situation)
    pressing = ended or (case.urgency is not None and backlog.opens and backlog.urgency < case.urgency)
    until = case.told_at + situation.policy.group_interval
    if case.incident is None or case.resolved or pressing or situation.now >= until:
        return None
    return Wait(until, "group_interval")


def _wait_for_look(situation: Situation) -> Wait:
    """Until the tokens of unknown outcome have been looked for, which gives the case its turn again by itself."""
    looks = [attempt.look for attempt in situation.case.unsettled if attempt.look is not None]
    return Wait(max([situation.now, *looks]) + LOOK_TOGETHER_S, "attempt_unknown")


def _plan_new(backlog: Backlog) -> Step:
    if not backlog.opens:
        return Drop(backlog.last_seq, "no_incident")
    return Create(backlog.last_firing_seq, "new")


def _plan_gone(situation: Situation) -> Step:
    case, backlog, now = situation.case, situation.backlog, situation.now
    if not backlog.opens:
        return Drop(backlog.last_seq, "incident_gone")
    if case.replaced_at and now - case.replaced_at < situation.policy.reopen_within:
        detail = f"{case.ref} is gone, as the one before it: deleted, or not visible to the bridge's user"
        return Park("incident_gone", detail)
    return Create(backlog.last_firing_seq, "incident_gone", case.ref)


def _plan_closed(backlog: Backlog, incident: Incident) -> Step:
    if not backlog.opens:
        return Drop(backlog.last_seq, "closed")
    return Create(backlog.last_firing_seq, "incident_closed", incident.ref)


def _plan_ongoing(situation: Situation, incident: Incident) -> Step:
    case, backlog = situation.case, situation.backlog
    if backlog.ends_resolved and case.firing == 0:
        if situation.flap is not None:
            return _plan_flapping(situation, situation.flap)
        hindrance = _find_hindrance(situation, incident)
        if hindrance is None:
            return _plan_resolve(situation, find_stimulus(situation, incident.status) or "")
        return _wait_for_interval(situation) or _append(situation, hindrance)
    # the urgency is raised only where it still is what we wrote
    if backlog.opens and backlog.urgency < incident.urgency and incident.urgency == case.urgency:
        return _spaced(situation, Append(backlog.last_seq, "more_urgent", backlog.urgency))
    return _wait_for_interval(situation) or _append(situation, "ongoing")


def _is_known_to_flap(situation: Situation) -> bool:
    return situation.flap is not None and situation.flap.told


def _plan_flapping(situation: Situation, flap: Flap) -> Step:
    """The resolve is held until the case has been quiet; what came before it is told, and that the case flaps."""
    case, backlog = situation.case, situation.backlog
    mute = case.log_full or case.entries >= situation.policy.log_budget
    if mute or (flap.told and not backlog.firing):
        return Wait(flap.until, "flapping")
    wait = _wait_for_interval(situation)
    if wait is not None:
        return Wait(min(wait.until, flap.until), "flapping")
    return Append(backlog.last_firing_seq, "flapping")


def _find_hindrance(situation: Situation, incident: Incident) -> str | None:
    """Why an incident of which nothing fires any more is not resolved by us."""
    if situation.policy.resolve == "never":
        return "resolve_never"
    if situation.policy.resolve == "unheld" and is_held(situation.case, incident):
        return "held_by_person"
    if find_stimulus(situation, incident.status) is None:
        return "way_closed"
    return None


def _plan_resolve(situation: Situation, stimulus: str) -> Step:
    path = situation.policy.resolve_path
    if path and stimulus != path[-1]:
        return Advance(0, "on_the_way", stimulus)
    return _spaced(situation, Resolve(situation.backlog.last_seq, "nothing_fires", stimulus))


def find_stimulus(situation: Situation, status: str) -> str | None:
    """The stimulus that leads from a status towards resolved: iTop's own, or the last of the configured path that
    iTop has not refused there."""
    path = situation.policy.resolve_path
    if not path:
        return resolve_stimulus(situation.iclass, status)
    return next((name for name in reversed(path) if (status, name) not in situation.closed_ways), None)


def is_held(case: CaseState, incident: Incident) -> bool:
    """True if a person holds the incident: an agent is set that we did not set, or it is pending (we never do that)."""
    return incident.agent not in (0, case.agent) or incident.status == "pending"


def _plan_resolved(situation: Situation, incident: Incident) -> Step:
    backlog, policy, case = situation.backlog, situation.policy, situation.case
    if not backlog.firing:
        return Drop(backlog.last_seq, "already_resolved")
    if incident.resolved_at is None or not backlog.opens:
        return _wait_for_interval(situation) or _append(situation, "resolved_meanwhile")
    if case.resolved and case.firing:
        # we resolved it, and something fires: what ends within the grace was a straggler
        until = incident.resolved_at + policy.resolve_grace
        return Wait(until, "resolve_grace") if situation.now < until else _plan_recurrence(situation, incident)
    if backlog.newest_opening - incident.resolved_at <= policy.resolve_grace:
        return _wait_for_interval(situation) or _append(situation, "resolved_meanwhile")
    return _plan_recurrence(situation, incident)


def _plan_recurrence(situation: Situation, incident: Incident) -> Step:
    backlog, policy, case = situation.backlog, situation.policy, situation.case
    if backlog.newest_opening - (incident.resolved_at or 0.0) > policy.reopen_within:
        return Create(backlog.last_firing_seq, "recurrence_late", incident.ref)
    if policy.recurrence == "append":
        return _wait_for_interval(situation) or _append(situation, "recurrence_append")
    stimulus = reopen_stimulus(situation.iclass, incident.status)
    if policy.recurrence == "new" or case.reopened >= policy.max_reopens or stimulus is None:
        return Create(backlog.last_firing_seq, "recurrence_new", incident.ref)
    return _spaced(situation, Reopen(backlog.last_firing_seq, "recurrence", stimulus))


def _append(situation: Situation, reason: str) -> Step:
    case, backlog = situation.case, situation.backlog
    if case.log_full:
        return Drop(backlog.last_seq, "log_full")
    if case.entries >= situation.policy.log_budget:
        return Drop(backlog.last_seq, "log_budget")
    return Append(backlog.last_seq, reason)


def _wait_for_interval(situation: Situation) -> Wait | None:
    """Log entries are `group_interval` apart, and further while nothing but counts changes."""
    case, policy = situation.case, situation.policy
    until = case.told_at + policy.group_interval
    if situation.now >= until and not situation.news:
        until = case.told_at + max(case.interval_s, policy.group_interval)
        if situation.now < until:
            # news may come: look again after one more interval
            return Wait(min(until, situation.now + policy.group_interval), "repeat_interval")
    return Wait(until, "group_interval") if situation.now < until else None


def _spaced(situation: Situation, step: Step) -> Step:
    until = situation.case.changed_at + situation.policy.spacing
    return Wait(until, "spacing") if situation.now < until else step


def next_interval_s(situation: Situation) -> float:
    """The distance to the next log entry: doubled up to `repeat_interval` while nothing but counts changes."""
    case, policy = situation.case, situation.policy
    if situation.news:
        return policy.group_interval
    return min(max(case.interval_s, policy.group_interval) * 2, policy.repeat_interval)
