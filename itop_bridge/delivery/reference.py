"""What an incident refers to: its organisation, by code, name or id; and the optional references that iTop refused."""

from collections.abc import Callable
from dataclasses import dataclass

from itop_bridge.itop import oql
from itop_bridge.itop.operation import Operations

_REMEMBER_S = 600.0
_FORGET_REFUSED_S = 300.0
_MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class UnknownOrganization:
    """Why an organisation cannot be used. `reason` is organization_unknown or organization_ambiguous."""

    reason: str
    detail: str


class References:
    """Looks organisations up, and remembers for some minutes what it found and what iTop refused."""

    def __init__(self, gate: Operations, monotonic: Callable[[], float]) -> None:
        self._gate = gate
        self._monotonic = monotonic
        self._organizations: dict[str, tuple[float, int | UnknownOrganization]] = {}
        self._refused: dict[tuple[str, str], float] = {}

    async def find_organization(self, organization: str) -> int | UnknownOrganization:
        """The id of `code:EXC`, `name:…` or `id:2`. Raises ITopError if iTop does not answer."""
        now = self._monotonic()
        known = self._organizations.get(organization)
        if known and now - known[0] < _REMEMBER_S and isinstance(known[1], int):
            return known[1]
        if known and now - known[0] < _REMEMBER_S / 10:
            return known[1]
        found = await self._fetch_organization(organization)
        if len(self._organizations) >= _MOST_REMEMBERED:
            self._organizations.clear()
        self._organizations[organization] = (now, found)
        return found

    async def _fetch_organization(self, organization: str) -> int | UnknownOrganization:
        attribute, _, value = organization.partition(":")
        condition = f"{attribute} = {oql.quote(value)}"
        answer = await self._gate.fetch("Organization", oql.select("Organization", condition), "id,code,name")
        # iTop's equality ignores case, accents and trailing blanks: compared again here
        exact = [shown for shown in answer.objects if attribute == "id" or shown.fields[attribute] == value]
        if len(exact) == 1:
            return exact[0].key
        if exact:
            return UnknownOrganization(
                "organization_ambiguous", f"iTop has {len(exact)} organisations with the {attribute} {value!r}"
            )
        similar = ", ".join(repr(shown.fields.get(attribute)) for shown in answer.objects[:5])
        hint = f"; it has {similar}" if similar else ""
        return UnknownOrganization(
            "organization_unknown",
            f"iTop shows the bridge's user no organisation with the {attribute} {value!r}{hint}",
        )

    def forget_organization(self, organization: str) -> None:
        """iTop refused it: look it up again next time."""
        self._organizations.pop(organization, None)

    def refuse(self, profile: str, attribute: str) -> None:
        """iTop refused an optional reference of a profile: leave it out for some minutes."""
        self._refused[profile, attribute] = self._monotonic() + _FORGET_REFUSED_S

    def is_refused(self, profile: str, attribute: str) -> bool:
        until = self._refused.get((profile, attribute))
        return until is not None and self._monotonic() < until
