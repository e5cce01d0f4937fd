"""Every rule of delivery, taken away one at a time: a timeline that goes well with it goes wrong without it.

What goes wrong is found by the oracle, which knows no rule, only promises. A rule that nothing misses when it is gone
would be superfluous, or nobody would notice its loss.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import world
from rig import profile_of
from timeline import play

from itop_bridge.delivery import attempt, casework, composer, failure, look, plan, verification
from itop_bridge.delivery.backlog import Backlogs
from itop_bridge.delivery.failure import Action, Consequence
from itop_bridge.delivery.look import Absent, Kept, Lost, Proved, Twin
from itop_bridge.delivery.reading import FIELDS, Lookup, Reader, TokenSearch
from itop_bridge.delivery.sight import Sight
from itop_bridge.delivery.verification import Verification
from itop_bridge.intent import Case
from itop_bridge.itop import oql
from itop_bridge.itop.error import ITopError
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal import episode
from itop_bridge.journal.case import CaseState
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.landing import Verdict
from itop_bridge.settings.policy import Policy

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Rule:
    """A rule, how it is taken away, and a timeline that needs it."""

    says: str
    remove: Callable[[Patch], None]
    timeline: str
    misses: str
    """The promise that is broken without it."""
    policy: Policy = field(default_factory=Policy)
    settings: dict[str, Any] = field(default_factory=dict)


RULES: dict[str, Rule] = {}


def rule(says, timeline, misses, policy=None, **settings):
    """Enter a rule in the table; the function takes it away."""

    def enter(remove):
        RULES[remove.__name__] = Rule(says, remove, timeline, misses, policy or Policy(), settings)
        return remove

    return enter


def _wrap(patch, owner, name, change):
    """Replace a function by `change(original, *args)`."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **given: change(original, *args, **given))


def _wrap_async(patch, owner, name, change):
    original = getattr(owner, name)

    async def changed(*args, **given):
        return await change(original, *args, **given)

    patch.setattr(owner, name, changed)


# what proves a write


@rule(
    "a create is proved by its token only, never by the key in its title",
    "F1; 10m; close; refused create; F2; 3m",
    "what_is_delivered_is_told",
)
def token_of_a_create(patch):
    async def find(self, iclass, chunk):
        answer = await self._gate.fetch(iclass, oql.select(iclass, f"org_id = {chunk[0].org}"), FIELDS)
        return {each.token: self._incident(shown) for each in chunk for shown in answer.objects}

    patch.setattr(Reader, "_find_anywhere", find)


@rule(
    "a resolve is proved by its token in log or solution, never by the status",
    "F1; 10m; refused stimulus; R1; resolve; 3m",
    "what_is_delivered_is_told",
)
def token_of_a_resolve(patch):
    original = TokenSearch.condition.fget
    patch.setattr(
        TokenSearch,
        "condition",
        property(lambda s: oql.any_of([original(s), f"(id = {s.incident} AND status = 'resolved')"])),
    )


@rule(
    "a raise of urgency is proved by its token, never by the urgency",
    "F1; 10m; lost update; U2; urgency; 10m; judge",
    "nothing_is_lost",
)
def token_of_a_raise(patch):
    def decide(original, attempt, found, case, *, visible):
        raised = attempt.effect.get("urgency") if attempt.kind == "append" else None
        if raised and found and found.urgency != raised:
            return Absent(None)
        return original(attempt, found, case, visible=visible)

    _wrap(patch, verification, "decide_finding", decide)
    all_tokens_before_a_new_plan(patch)


@rule("tokens are looked for in every state", "lost create; F1; close; 3m", "nothing_is_told_twice")
def in_every_state(patch):
    original = TokenSearch.condition.fget
    patch.setattr(
        TokenSearch, "condition", property(lambda s: oql.all_of([original(s), "operational_status = 'ongoing'"]))
    )


@rule(
    "all tokens that an intent was sent under are looked for before it is planned again",
    "late create 100; F1; refused create; 5m; judge",
    "nothing_is_lost",
)
def all_tokens_before_a_new_plan(patch):
    async def settle_late(self, cases):
        return set()

    patch.setattr(Verification, "settle_late", settle_late)


@rule(
    "a look-up that fails never leads to a create",
    "lost create; F1; 55s; refused get; refused get; refused get; 5m; judge",
    "nothing_is_told_twice",
)
def failed_look_up(patch):
    async def find(original, self, searches):
        with suppress(ITopError):
            return await original(self, searches)
        return defaultdict(list)

    _wrap_async(patch, Reader, "find_tokens", find)
    _wrap_async(patch, Reader, "find_by_key", find)


# when it is looked for


@rule("on start, what is in flight is unknown", "die 7; F1; 5m", "nothing_is_told_twice")
def in_flight_is_unknown_on_start(patch):
    async def recover(original, self, look, latest_due):
        await self._store.write(
            lambda sql: sql.execute("UPDATE attempts SET state = 'failed' WHERE state = 'in_flight'").rowcount
        )
        return await original(self, look, latest_due)

    _wrap_async(patch, DeliveryJournal, "recover", recover)


@rule(
    "a token is looked for after the server's time limit, not before",
    "late create 30; F1; 5m; judge",
    "nothing_is_told_twice",
)
def not_before_the_time_limit(patch):
    async def settle(original, self, attempt_id, state, *, look, detail=""):
        look = self._clock() if state == "unknown" else look
        await original(self, attempt_id, state, look=look, detail=detail)

    _wrap_async(patch, DeliveryJournal, "settle_attempt", settle)


@rule(
    "after a crash the time limit counts from the start of the process",
    "late create 30; die 7; F1; 5m; judge",
    "nothing_is_told_twice",
)
def time_limit_after_a_crash(patch):
    async def recover(original, self, look, latest_due):
        return await original(self, self._clock(), latest_due)

    _wrap_async(patch, DeliveryJournal, "recover", recover)


@rule(
    "nothing is sent for a case while the outcome of a call is unknown",
    "lost create; F1; F2; 5m",
    "nothing_is_told_twice",
)
def nothing_before_the_look(patch):
    patch.setattr(CaseState, "unsettled", ())


@rule(
    "what was written is looked for once more, and written again if it is gone",
    "F1; overwrite; 1m",
    "what_is_delivered_is_told",
)
def lost_entries_are_written_again(patch):
    def decide(original, *given, **known):
        finding = original(*given, **known)
        return Kept() if isinstance(finding, Lost) else finding

    _wrap(patch, verification, "decide_finding", decide)


@rule(
    "an entry is written again only where its token does not stand",
    "F1; overwrite; late update 100; 5m",
    "nothing_is_told_twice",
)
def written_again_unless_it_is_there(patch):
    patch.setattr(verification, "text_key", lambda iclass, incident, log, token: incident)


@rule(
    "a resolve's token in the solution does not prove that its entry stayed",
    "F1; 10m; R1; overwrite; 1m",
    "what_is_delivered_is_told",
)
def entry_of_a_resolve(patch):
    _wrap(patch, verification, "TokenSearch", lambda original, *given, log_only: original(*given))


@rule(
    "a create that was not found is looked for again: a late twin is told",
    "late create 100; F1; 2h",
    "one_incident_of_a_case_is_ongoing",
)
def twins_are_looked_for(patch):
    patch.setattr(look, "_next_look", lambda attempt: None)


@rule("of twins the journal's own incident wins", "late create 100; F1; 2h", "a_case_goes_on_where_it_was_told")
def own_twin_wins(patch):
    def decide(original, *given, **known):
        finding = original(*given, **known)
        return Proved() if isinstance(finding, Twin) else finding

    _wrap(patch, verification, "decide_finding", decide)


# what is written on what was read


@rule(
    "a write finds only the incident as it was read",
    "F1; 10m; late stimulus 100; R1; F2; 10m",
    "what_the_siem_says_is_so",
)
def write_on_what_was_read(patch):
    patch.setattr(composer, "conditional_key", lambda iclass, incident, log, tokens: incident.id)


@rule(
    "a write finds no incident that holds a token of unknown fate",
    "F1; 10m; stall update; F2; 61s; between stalled!; instant log; 3m",
    "nothing_is_told_twice",
)
def write_unless_the_token_is_there(patch):
    original = composer.conditional_key
    patch.setattr(
        composer, "conditional_key", lambda iclass, incident, log, tokens: original(iclass, incident, log, ())
    )


# people


@rule(
    "an alert received before the resolution does not reopen",
    "F1; F2; 10s; resolve; 20m",
    "what_people_dealt_with_stays_so",
)
def old_alerts_reopen_nothing(patch):
    patch.setattr(plan, "_plan_resolved", plan._plan_recurrence)


@rule(
    "an episode that a person closed opens no other incident",
    "F1; 10m; close; 10m; G1; 10m",
    "what_people_dealt_with_stays_so",
)
def episodes_are_handled(patch):
    async def mark_handled(self, case_id, dealt_at):
        return False

    patch.setattr(DeliveryJournal, "mark_handled", mark_handled)


@rule("a new episode after a person resolved reopens", "F1; 10m; resolve; 20m; F2; 10m", "what_fires_later_is_seen")
def new_episodes_reopen(patch):
    patch.setattr(plan, "_plan_recurrence", lambda situation, incident: plan._append(situation, "resolved"))


@rule(
    "a new episode after a person closed opens a new incident",
    "F1; 10m; close; 20m; F2; 10m",
    "what_fires_later_is_seen",
)
def new_episodes_open(patch):
    patch.setattr(plan, "_plan_closed", lambda backlog, incident: plan.Drop(backlog.last_seq, "closed"))


@rule(
    "what a person resolved once more is theirs",
    "F1; 10m; R1; F2!; 5s; reopen!; 5s; resolve; 30m",
    "what_people_dealt_with_stays_so",
)
def resolved_once_more(patch):
    patch.setattr(casework, "_is_ours", lambda case, incident: case.resolved and incident.phase is Phase.RESOLVED)


@rule("what a person holds is not resolved", "F1; 10m; assign; R1; 10m", "people_are_respected")
def held_stays_open(patch):
    patch.setattr(plan, "is_held", lambda case, incident: False)


@rule(
    "an agent is ours only if we named it, also where the reply to the create was lost",
    "lost create; F1; assign; 3m; R1; 10m",
    "people_are_respected",
)
def own_agent(patch):
    patch.setattr(verification, "own_agent", lambda writing, incident: incident.agent)


@rule("the urgency is raised only where it still is what we wrote", "F1; 10m; urgency; U2; 10m", "people_are_respected")
def urgency_that_is_ours(patch):
    def raised(original, situation, incident):
        case = situation.case if incident is None else replace(situation.case, urgency=incident.urgency)
        return original(replace(situation, case=case), incident)

    _wrap(patch, casework, "plan", raised)


@rule("title and description are written once", "F1; 10m; title; F2; 10m", "people_are_respected")
def title_is_written_once(patch):
    def describe(original, writing, key, script, urgency):
        told = original(writing, key, script, urgency)
        return {**told, "fields": {**told["fields"], "title": "ours"}}

    _wrap(patch, composer, "describe_append", describe)


@rule(
    "an incident that is gone is replaced once, then its case is parked",
    "F1; 10m; delete; F2; 10m; delete; F3; 10m",
    "what_is_gone_is_replaced_once",
)
def gone_is_replaced_once(patch):
    def plan_gone(original, situation):
        return original(replace(situation, case=replace(situation.case, replaced_at=0.0)))

    _wrap(patch, plan, "_plan_gone", plan_gone)


@rule(
    "an incident is reopened so many times, then a new one is opened",
    "F1; 10m; resolve; 20m; F2; 10m; resolve; 20m; F3; 10m",
    "reopening_has_an_end",
    Policy(max_reopens=1),
)
def reopening_ends(patch):
    def recur(original, situation, incident):
        return original(replace(situation, case=replace(situation.case, reopened=0)), incident)

    _wrap(patch, plan, "_plan_recurrence", recur)


# alerts and their ends


@rule("nothing is resolved while an alert of the case fires", "F1; F2; 10m; R1; 10m", "what_the_siem_says_is_so")
def nothing_fires_any_more(patch):
    def ongoing(original, situation, incident):
        return original(replace(situation, case=replace(situation.case, firing=0)), incident)

    _wrap(patch, plan, "_plan_ongoing", ongoing)


@rule(
    "a resolve follows its alert, whatever the grouping says now",
    "F1; 10m; regroup; R1; 10m",
    "what_the_siem_says_is_so",
)
def resolve_follows_its_alert(patch):
    def decide(original, seen, landing):
        verdict = original(seen, landing)
        return replace(verdict, same_episode=False) if verdict.reason == "resolved" else verdict

    _wrap(patch, world, "decide_landing", decide)


@rule("a resolve waits for its alert", "R1; 1m; F1; 10m", "what_the_siem_says_is_so")
def resolve_waits(patch):
    def decide(original, seen, landing):
        verdict = original(seen, landing)
        return Verdict("drop", "never_fired") if verdict.action == "wait" else verdict

    _wrap(patch, world, "decide_landing", decide)


@rule(
    "the same content is a repeat only if the alert did not end since",
    "f1; 1m; R1; 1m; f1; 10m",
    "what_the_siem_says_is_so",
)
def repeat_since(patch):
    contents = set()

    def decide(original, seen, landing):
        known = landing.content in contents
        contents.add(landing.content)
        return Verdict("drop", "repeat") if known else original(seen, landing)

    _wrap(patch, world, "decide_landing", decide)


@rule(
    "an alert that expires resolves its incident where the route says so",
    "F1; 3h",
    "what_the_siem_says_is_so",
    Policy(firing_expires=3600.0, expired="resolve"),
)
def expired_is_resolved(patch):
    patch.setattr(episode, "_RESOLVE_EXPIRED", "SELECT ?, ?, ?")


@rule("what fires after our own resolve reopens", "F1; 10m; R1; 1m; F2; 30m", "what_the_siem_says_is_so")
def our_own_resolve_is_undone(patch):
    patch.setattr(plan, "_plan_resolved", lambda situation, incident: plan._append(situation, "resolved_meanwhile"))


@rule("a write tells what it settles, and no more", "F1!; R1!; F2!; R2; 10m", "what_is_delivered_is_told")
def tells_what_it_settles(patch):
    async def fold_through(self, case_id, through):
        return await self.fold(case_id)

    patch.setattr(Backlogs, "fold_through", fold_through)


# whose incident it is


@rule(
    "an incident that the journal does not know is found by its key",
    "F1; 10m; forget; F2; 10m",
    "one_incident_of_a_case_is_ongoing",
)
def looked_up_by_key(patch):
    async def look_up(self, jobs):
        return {}

    patch.setattr(Sight, "_look_up", look_up)


@rule(
    "a ticket of another origin is not ours, whatever its title",
    "F1; forge; close 1; forget; F2; 10m",
    "only_our_own_is_written_to",
)
def of_our_origin(patch):
    original = Lookup.condition.fget
    patch.setattr(Lookup, "condition", property(lambda self: original(replace(self, origin=""))))


@rule("the organisation is part of the case", "F1; F1@OTH; 10m", "tenants_stay_apart")
def organization_of_the_case(patch):
    patch.setattr(Case, "key", property(lambda self: f'["wazuh","{self.group[-1]}"]'))


# how much is written


@rule("all that a case owes goes out in one entry", "F1; 10s; F2; F3; F4; 1h", "an_entry_leaves_nothing_behind")
def folding(patch):
    async def fold_one(self, case_id):
        ((first,),) = await self._journal._store.read(
            lambda sql: list(sql.execute("SELECT min(seq) FROM intents WHERE state = 'pending'"))
        )
        return await self.fold_through(case_id, first or 0)

    patch.setattr(Backlogs, "fold", fold_one)


@rule("log entries are `group_interval` apart", "F1; 10s; F2; 10s; F3; 10m", "entries_are_spaced")
def group_interval(patch):
    patch.setattr(plan, "_wait_for_interval", lambda situation: None)
    patch.setattr(casework, "plan_unread", lambda situation: None if situation.backlog.last_seq else plan.Idle())


@rule("calls that change the state are `spacing` apart", "F1; 10m; U2; R1; R2; 10m", "changes_are_spaced")
def spacing(patch):
    patch.setattr(plan, "_spaced", lambda situation, step: step)


@rule(
    "at most `log_budget` entries are written",
    "F1; 10m; F2; 10m; F3; 10m; F4; 1h",
    "the_budget_is_kept",
    Policy(log_budget=2),
)
def log_budget(patch):
    def unlimited(original, situation, *given):
        return original(replace(situation, policy=replace(situation.policy, log_budget=10**6)), *given)

    _wrap(patch, plan, "_append", unlimited)
    _wrap(patch, casework, "Composer", unlimited)


@rule(
    "where the log is full, the state is changed without text",
    "F1; 10m; full stimulus; R1; 10m; judge",
    "nothing_is_lost",
)
def without_text(patch):
    _follow_otherwise(patch, Action.WITHOUT_TEXT)


@rule("a reference that iTop refuses is left out", "F1; 10m", "nothing_is_lost", team="Nobody")
def without_reference(patch):
    _follow_otherwise(patch, Action.WITHOUT_REFERENCE)


def _follow_otherwise(patch, action):
    def decide(original, error, **known):
        consequence = original(error, **known)
        return Consequence(Action.PARK, "refused") if consequence.action is action else consequence

    _wrap(patch, attempt, "decide_consequence", decide)


@rule("a call that fails by itself five times is left to a person", "failing create; F1; 1h", "calls_are_bounded")
def poison(patch):
    patch.setattr(failure, "MOST_FAILURES", 10**6)
    patch.setattr(casework, "MOST_FAILURES", 10**6)


# the tests


@pytest.mark.parametrize("name", RULES)
async def test_with_the_rule_the_promises_are_kept(name):
    each = RULES[name]
    assert await play(each.timeline, profile_of(each.policy, **each.settings)) == []


@pytest.mark.parametrize("name", RULES)
async def test_without_the_rule_a_promise_is_broken(name, monkeypatch):
    each = RULES[name]
    each.remove(monkeypatch)
    wrong = await play(each.timeline, profile_of(each.policy, **each.settings))
    assert each.misses in {line.partition(":")[0] for line in wrong}, wrong
