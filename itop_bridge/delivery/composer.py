"""From a step to the order that carries it out: texts rendered, key, fields, and what holds afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from itop_bridge.delivery.asset import Asset, Finding, raise_urgency
from itop_bridge.delivery.attempt import Order
from itop_bridge.delivery.flapping import describe_flapping
from itop_bridge.delivery.fold import fold_told
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.operation import (
    CI_LIST,
    Script,
    conditional_key,
    describe_append,
    describe_create,
    describe_stimulus,
    name_references,
)
from itop_bridge.delivery.plan import Advance, Append, Create, Reopen, Resolve, Situation, next_interval_s
from itop_bridge.delivery.storm import describe_lead, describe_storm
from itop_bridge.delivery.style import Style
from itop_bridge.delivery.text import Render, describe_scene
from itop_bridge.journal.shadow import is_shadow
from itop_bridge.journal.storm import StormCount, Umbrella

_PARENT = "parent_incident_id"
_NOTHING: Render = lambda _scene: ""  # noqa: E731 - a template like the others

Write = Create | Append | Advance | Resolve | Reopen


@dataclass(frozen=True, slots=True)
class Composer:
    """Composes the orders of one situation."""

    situation: Situation
    style: Style
    token: str
    refused: Callable[[str, str], bool]
    """Tells the optional references that iTop refused of a profile."""
    finding: Finding | None = None
    """What was found in the CMDB for a new incident; None: nothing was looked for."""
    storm: StormCount | None = None
    """What the case stands for, if it is a storm's."""
    amid: Umbrella | None = None
    """A storm's incident, while the storm holds and this case has one of its own."""

    def compose(self, step: Write, incident: Incident | None, org: int | None) -> Order:
        """The order of `step`. A create needs `org`, everything else the `incident` as it was read."""
        if isinstance(step, Create):
            return self._create(step, org or 0)
        if incident is None:
            raise AssertionError("only a create has no incident")
        if isinstance(step, Append):
            return self._append(step, incident)
        if isinstance(step, Advance):
            return self._advance(step, incident)
        if isinstance(step, Resolve):
            return self._resolve(step, incident)
        return self._reopen(step, incident)

    def _create(self, step: Create, org: int) -> Order:
        case, backlog = self.situation.case, self.situation.backlog
        writing, pen = self.style.profile.writing, self.style.pen
        left_out = self._left_out()
        asset = self.finding.asset if self.finding else None
        urgency = raise_urgency(backlog.urgency, asset, writing.cmdb)
        team = {"team_id": str(asset.team)} if asset and asset.team else {}
        scene = self._scene(step.previous, self._describe_omissions(left_out), asset)
        script = Script(
            pen.title(scene, case.digest),
            pen.description(scene),
            pen.log(pen.create_template, scene, self.token, self._head()),
        )
        operation = describe_create(
            writing,
            script,
            org=org,
            impact=backlog.impact,
            urgency=urgency,
            references=name_references(writing, leave_out=left_out) | team | (parent := self._parent()),
            asset=asset.id if asset else None,
        )
        lent = dict.fromkeys([CI_LIST, *team], asset.id) if asset else {}
        optional = frozenset(attribute for attribute, _, _ in writing.references) - left_out
        optional |= lent.keys() | parent.keys()
        order = self._order("create", step, operation, script, self._opened(step, urgency), optional)
        return replace(order, lent=lent, facts={**order.facts, **self._tell_finding()})

    def _parent(self) -> dict[str, str]:
        """The storm's incident, where the route wants it linked and iTop takes it."""
        rule, amid, profile = self.situation.policy.storm, self.amid, self.situation.case.profile
        if not (rule and rule.link and amid) or is_shadow(amid.id) or self.refused(profile, _PARENT):
            return {}
        return {_PARENT: str(amid.id)}

    def _opened(self, step: Create, urgency: int) -> dict[str, Any]:
        """What holds for the case once its incident is there."""
        now = self.situation.now
        effect: dict[str, Any] = {
            "urgency": urgency,
            "resolved": 0,
            "reopened": 0,
            "entries": 1,
            "log_full": 0,
            "told": fold_told({}, self.situation.backlog),
            "told_at": now,
            "interval_s": self.situation.policy.group_interval,
            "changed_at": now,
            "previous": step.previous,
        }
        if step.reason == "incident_gone":
            effect["replaced_at"] = now
        return effect | self._flaps()

    def _head(self) -> str:
        """What an entry begins with, whatever the texts of the route: a storm's figures; once, that the case flaps."""
        rule = self.situation.policy.flapping
        flaps = describe_flapping(rule) if rule and self._flaps() else ""
        storm = describe_storm(self.style.profile.route, self.storm) if self.storm else ""
        return "\n".join(filter(None, (storm, flaps)))

    def _flaps(self) -> dict[str, float]:
        """What holds for a case that flaps once its incident says so."""
        flap = self.situation.flap
        return {"flaps_until": flap.until} if flap and not flap.told else {}

    def _describe_omissions(self, left_out: frozenset[str]) -> str:
        """What the first log entry says is missing, and why; and where to find it."""
        refused = f"Left out, since iTop refused it: {', '.join(sorted(left_out))}." if left_out else ""
        storm = f"Amid a storm of new cases, which {self.amid.ref} tells of." if self.amid else ""
        return "\n".join(filter(None, (refused, self.finding.note if self.finding else "", storm)))

    def _tell_finding(self) -> dict[str, str]:
        """For the log."""
        if self.finding is None:
            return {}
        asset = self.finding.asset
        return {"ci": f"{asset.iclass}::{asset.id}" if asset else self.finding.reason}

    def _append(self, step: Append, incident: Incident) -> Order:
        script = Script(entry=self._entry(self.style.pen.append_template))
        operation = describe_append(self.style.profile.writing, self._key(incident), script, step.urgency)
        effect = self._told(script)
        if step.urgency is not None:
            effect |= {"urgency": step.urgency, "changed_at": self.situation.now}
        return self._order("append", step, operation, script, effect)

    def _advance(self, step: Advance, incident: Incident) -> Order:
        references = self._references_of(incident)
        writing = self.style.profile.writing
        operation = describe_stimulus(writing, self._key(incident), step.stimulus, Script(), references)
        return self._order("advance", step, operation, Script(), {}, frozenset(references))

    def _references_of(self, incident: Incident) -> dict[str, str]:
        """The references that a transition may want, and that the incident has not."""
        left_out = self._left_out() | _set_by_now(incident) | {"caller_id"}
        return name_references(self.style.profile.writing, leave_out=frozenset(left_out))

    def _resolve(self, step: Resolve, incident: Incident) -> Order:
        pen, writing = self.style.pen, self.style.profile.writing
        script = Script(entry=self._entry(pen.resolve_template), solution=pen.solution(self._scene(), self.token))
        references = self._references_of(incident)
        operation = describe_stimulus(writing, self._key(incident), step.stimulus, script, references)
        effect = {**self._told(script), "resolved": 1, "changed_at": self.situation.now}
        return self._order("resolve", step, operation, script, effect, frozenset(references))

    def _reopen(self, step: Reopen, incident: Incident) -> Order:
        script = Script(entry=self._entry(self.style.pen.append_template))
        operation = describe_stimulus(self.style.profile.writing, self._key(incident), step.stimulus, script, {})
        effect = {
            **self._told(script),
            "resolved": 0,
            "reopened": self.situation.case.reopened + 1,
            "changed_at": self.situation.now,
        }
        return self._order("reopen", step, operation, script, effect)

    def _order(
        self,
        kind: str,
        step: Write,
        operation: dict[str, Any],
        script: Script,
        effect: dict[str, Any],
        optional: frozenset[str] = frozenset(),
    ) -> Order:
        backlog = self.situation.backlog
        facts = {"route": self.style.profile.route, "alerts": backlog.count, "reason": step.reason}
        return Order(
            self.situation.case,
            kind,
            self.token,
            operation,
            step.through,
            script.entry,
            effect,
            facts,
            optional,
            received=backlog.first_received,
        )

    def _scene(self, previous: str | None = None, note: str = "", asset: Asset | None = None) -> dict[str, Any]:
        situation = self.situation
        backlog = situation.backlog
        if self.storm is not None:
            profile = self.style.profile
            backlog = replace(backlog, lead=describe_lead(profile.route, profile.policy.storm, backlog))
        return describe_scene(
            situation.case,
            backlog,
            dict(self.style.profile.settings),
            now=situation.now,
            previous=previous,
            note=note,
            asset=asset,
        )

    def _entry(self, template: Render) -> str:
        """The log entry, or none where the log is full or the budget used up: the change goes without text."""
        case = self.situation.case
        if case.log_full or case.entries >= self.situation.policy.log_budget:
            return ""
        told = template if self.situation.backlog.count else _NOTHING  # all of it may still have to wait
        return self.style.pen.log(told, self._scene(), self.token, self._head())

    def _told(self, script: Script) -> dict[str, Any]:
        case = self.situation.case
        return {
            "told": fold_told(case.told, self.situation.backlog),
            "told_at": self.situation.now,
            "interval_s": next_interval_s(self.situation),
            "entries": case.entries + bool(script.entry),
            **(self._flaps() if script.entry else {}),
        }

    def _key(self, incident: Incident) -> str:
        writing = self.style.profile.writing
        tokens = [attempt.token for attempt in self.situation.case.attempts if attempt.state == "absent"]
        return conditional_key(writing.iclass, incident, writing.log, tokens)

    def _left_out(self) -> frozenset[str]:
        profile = self.situation.case.profile
        references = self.style.profile.writing.references
        return frozenset(attribute for attribute, _, _ in references if self.refused(profile, attribute))


def _set_by_now(incident: Incident) -> set[str]:
    """References that the incident has: whoever set them, they stay."""
    values = {"agent_id": incident.agent, "team_id": incident.team, "service_id": incident.service}
    return {attribute for attribute, value in values.items() if value} | (
        {"servicesubcategory_id"} if incident.service else set()
    )
