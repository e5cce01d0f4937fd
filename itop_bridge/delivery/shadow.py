"""Shadow: what would be written is decided, logged and kept, and iTop sees nothing of it.

A case that would have got an incident has a shadow incident in the journal, with an id below zero. It is read by the
same plan as any other, so that the decisions go on as they would: appended to, resolved, reopened. A case whose
incident is in iTop keeps it, and what it owes waits until its route is live.
"""

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from itop_bridge.delivery.attempt import Order
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.style import Style
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.case import CaseState, Draft, Settlement
from itop_bridge.journal.delivery import DeliveryJournal
from itop_bridge.journal.shadow import ShadowIncident, ShadowWrite, is_shadow

log = structlog.get_logger(__name__)

HELD_S = 300.0
"""How often is told anew what waits for an incident in iTop."""


class Shadow:
    """Keeps writes instead of sending them: of routes that say so, or of all."""

    def __init__(
        self,
        journal: DeliveryJournal,
        clock: Callable[[], float],
        *,
        everything: bool = False,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self.everything = everything

    def covers(self, style: Style) -> bool:
        """Whether nothing may be written for cases of this style."""
        return self.everything or style.profile.policy.shadow

    async def fetch_incidents(self, ids: Iterable[int]) -> dict[int, Incident]:
        """The shadow incidents among `ids`, as a read of iTop would show them."""
        own = [each for each in ids if is_shadow(each)]
        shadows = await self._journal.fetch_shadows(own) if own else {}
        return {each.id: self._show(each) for each in shadows.values()}

    def _show(self, shadow: ShadowIncident) -> Incident:
        is_resolved = shadow.status == "resolved"
        return Incident(
            id=shadow.id,
            ref=shadow.ref,
            title=shadow.title,
            status=shadow.status,
            phase=Phase.RESOLVED if is_resolved else Phase.ONGOING,
            org=shadow.org,
            agent=0,
            agent_name="",
            team=0,
            service=0,
            urgency=shadow.urgency,
            last_update=str(shadow.changed),
            resolution_date=str(shadow.resolved) if is_resolved else "",
            resolved_at=shadow.resolved,
        )

    async def keep(self, order: Order, incident: Incident | None) -> None:
        """Log the order and, unless its incident is in iTop, settle it as if it had been sent."""
        case = order.case
        if case.incident is not None and not is_shadow(case.incident):
            await self._journal.defer(case.id, self._clock() + HELD_S, order.through)
        else:
            await self._journal.record_shadow(describe_write(order, self._clock()))
        title = order.operation["fields"]["title"] if incident is None or order.kind == "create" else incident.title
        log.info(
            "incident.shadowed",
            case=case.digest,
            incident=case.ref,
            operation=order.kind,
            title=title,
            **order.facts,
        )

    async def leave(self, case: CaseState) -> CaseState:
        """A case that is live now begins anew, if all that it has is a shadow."""
        if not is_shadow(case.incident):
            return case
        await self._journal.leave_shadow(case.id)
        log.info("case.left_shadow", case=case.digest, incident=case.ref)
        return await self._journal.fetch_case(case.id)


def describe_write(order: Order, now: float) -> ShadowWrite:
    """What an order does to a shadow incident. Pure."""
    case = order.case
    fields: Any = order.operation["fields"]
    changes = dict(order.effect)
    created: ShadowIncident | None = None
    shadow: dict[str, Any] = {"changed": now}
    if order.kind == "create":
        created = ShadowIncident(0, "new", int(fields["org_id"]), int(fields["urgency"]), fields["title"], now, None)
    elif order.kind == "resolve":
        shadow |= {"status": "resolved", "resolved": now}
        changes["resolution"] = str(now)
    elif order.kind in ("reopen", "advance"):
        shadow |= {"status": "assigned", "resolved": None}
    if "urgency" in order.effect:
        shadow["urgency"] = order.effect["urgency"]
    incident = None if created else case.incident
    draft = Draft(case.id, order.kind, order.token, incident, order.through, order.message, {})
    settlement = Settlement(case.id, order.through, "delivered", order.kind, changes=changes)
    return ShadowWrite(draft, settlement, created, {} if created else shadow)
