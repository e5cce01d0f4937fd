"""The calls to iTop that an alert comes to, composed as delivery composes them, and not sent. Pure.

What iTop would tell is taken for granted: that it has no incident of the case, or one that is open and that nobody
holds; that it takes every reference; that the organisation exists.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import orjson

from itop_bridge.delivery.composer import Composer
from itop_bridge.delivery.fold import Backlog, fold
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.plan import Drop, Idle, Park, Situation, Wait, plan
from itop_bridge.delivery.style import Style
from itop_bridge.errors import ExpressionError
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.case import CaseState, Owing
from itop_bridge.journal.landing import Landing, Owed
from itop_bridge.journal.profile import Profile

TOKEN = "0" * 16
"""Stands for the token that each write has of its own."""
NEW = "its incident is not there yet"
OPEN = "its incident is open"

_INCIDENT = 1
_UPDATED = "2026-01-01 00:00:00"
_TEXTS = ("title", "description", "solution")


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent if iTop is as `supposed`; `operation` is None if nothing is."""

    supposed: str
    reason: str
    """Why it is this call, or why there is none: a word of `plan`."""
    operation: Mapping[str, Any] | None = None
    """Texts stand in `texts`, and under their names only these names here."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """title, description, log and solution, as far as the call has them."""


def plan_calls(landing: Landing, style: Style, now: float) -> list[Call]:
    """What delivery would send for a landing, case by case: for a new case, and, where that is nothing, for one whose
    incident is open. `now` is seconds since the epoch."""
    cases: dict[str, list[Owed]] = {}
    for owed in landing.intents:
        cases.setdefault(owed.case_key, []).append(owed)
    return [call for owed in cases.values() for call in _plan_case(owed, landing, style, now)]


def _plan_case(owed: Sequence[Owed], landing: Landing, style: Style, now: float) -> Iterator[Call]:
    profile = style.profile
    backlog = reduce(fold, _list_owing(owed, landing.received), Backlog())
    fires = not backlog.ends_resolved and not landing.one_shot
    new = _suppose_case(owed[0], profile, firing=int(fires))
    try:
        first = _plan_call(NEW, _situation(new, backlog, profile, now), None, style)
        yield first
        if first.operation is None and not backlog.is_empty:
            known = _suppose_case(owed[0], profile, firing=int(fires), incident=_INCIDENT)
            yield _plan_call(OPEN, _situation(known, backlog, profile, now), _suppose_incident(), style)
    except ExpressionError as error:
        yield Call(NEW, f"text_failed: {error}")


def _list_owing(owed: Sequence[Owed], received: float) -> list[Owing]:
    return [
        Owing(seq, each.kind, received, each.urgency, each.impact, orjson.loads(each.facts))
        for seq, each in enumerate(owed, 1)
    ]


def _situation(case: CaseState, backlog: Backlog, profile: Profile, now: float) -> Situation:
    return Situation(case, backlog, profile.policy, profile.writing.iclass, now)


def _plan_call(supposed: str, situation: Situation, incident: Incident | None, style: Style) -> Call:
    step = plan(situation, incident)
    if isinstance(step, Idle | Wait | Drop | Park):
        return Call(supposed, step.reason)
    composer = Composer(situation, style, TOKEN, lambda _profile, _attribute: False)
    order = composer.compose(step, incident, None)
    operation, texts = _take_texts(order.operation, style.profile.writing.log)
    if incident is None:
        operation["fields"]["org_id"] = f"(the id of {situation.case.organization})"
    return Call(supposed, step.reason, operation, texts)


def _take_texts(operation: Mapping[str, Any], log: str) -> tuple[dict[str, Any], dict[str, str]]:
    """An operation with its texts taken out, and the texts."""
    fields = dict(operation["fields"])
    texts = {name: str(fields[name]) for name in _TEXTS if name in fields}
    if log in fields:
        texts["log"] = str(fields[log]["add_item"]["message"])
        fields[log] = {"add_item": {**fields[log]["add_item"], "message": "(log)"}}
    fields |= {name: f"({name})" for name in texts if name != "log"}
    return {**operation, "fields": fields}, texts


def _suppose_incident() -> Incident:
    """Open, and held by nobody."""
    return Incident(
        id=_INCIDENT,
        ref="I-000001",
        title="",
        status="new",
        phase=Phase.ONGOING,
        org=0,
        agent=0,
        agent_name="",
        team=0,
        service=0,
        urgency=4,
        last_update=_UPDATED,
        resolution_date="",
        resolved_at=None,
    )


def _suppose_case(owed: Owed, profile: Profile, *, firing: int, incident: int | None = None) -> CaseState:
    """A case as the journal has it when its first alert lands, or when its incident was made long ago."""
    return CaseState(
        id=1,
        key=owed.case_key,
        digest=owed.digest,
        organization=owed.organization,
        profile=profile.hash,
        incident=incident,
        ref="I-000001" if incident else None,
        urgency=4 if incident else None,
        agent=0,
        resolved=False,
        entries=0,
        log_full=False,
        reopened=0,
        told={},
        told_at=0.0,
        told_seq=0,
        interval_s=0.0,
        changed_at=0.0,
        previous=None,
        replaced_at=0.0,
        failures=0,
        parked=None,
        firing=firing,
    )
