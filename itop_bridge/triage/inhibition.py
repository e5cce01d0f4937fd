"""Inhibition, compiled: the rules by which alerts that fire hold others back. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from itop_bridge.alert import Alert, State
from itop_bridge.errors import ElementError, ExpressionError
from itop_bridge.journal.landing import Bearing, Tie
from itop_bridge.triage.case_key import GroupBy, Scene
from itop_bridge.triage.matcher import Matcher


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """An entry of `inhibit`."""

    identity: str
    """What it says, so that alerts do not inhibit by a rule that was changed."""
    source: Matcher
    target: Matcher
    equal: GroupBy | None
    hold_s: float | None
    """How long a source without states inhibits."""


@dataclass(frozen=True, slots=True)
class Circumstance:
    """Where an alert is looked at: by which route."""

    scope: str
    """Of the organisation's alert ids."""
    alert_id: str
    organization: str
    firing_expires_s: float


def weigh_alert(rules: Sequence[Rule], alert: Alert, scene: Scene, circumstance: Circumstance) -> Bearing:
    """What the rules say of an alert. Raises ElementError if an expression fails."""
    sources: list[Tie] = []
    targets: list[Tie] = []
    try:
        for rule in rules if alert.state is State.FIRING else ():
            _weigh(rule, alert, scene, circumstance, sources, targets)
    except ExpressionError as error:
        raise ElementError("expression_failed", str(error), "inhibit") from error
    return Bearing(
        circumstance.scope, circumstance.alert_id, alert.received.timestamp(), tuple(sources), tuple(targets)
    )


def _weigh(
    rule: Rule, alert: Alert, scene: Scene, circumstance: Circumstance, sources: list[Tie], targets: list[Tie]
) -> None:
    hold_s = rule.hold_s if alert.one_shot else circumstance.firing_expires_s
    is_source = hold_s is not None and rule.source(scene)
    is_target = rule.target(scene)
    if not is_source and not is_target:
        return
    values = rule.equal(scene) if rule.equal else ()
    if not all(values):  # what is absent is equal to nothing
        return
    key = _digest(rule.identity, circumstance.organization, *values)
    if is_source:
        sources.append(Tie(key, is_target, hold_s or 0.0))
    if is_target:
        targets.append(Tie(key, is_source))


def _digest(*parts: str) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hashed.update(b"%d:%b" % (len(encoded), encoded))
    return hashed.hexdigest()[:32]
