"""A configuration item (CI) of iTop's CMDB: what is looked for to find an alert's, and what was found. Pure.

Hosts and addresses are written by attackers: they choose among the CIs of the case's own organisation and no other,
and stand in queries as quoted literals only.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from itop_bridge.intent import Cmdb
from itop_bridge.itop import oql
from itop_bridge.itop.answer import Object

CRITICALITY = "business_criticity"
"""iTop's spelling; its values are high, medium and low."""
MOST_ALIKE = 4
"""So many CIs that answer to one term are remembered: two are one too many already."""

_LONGEST = 255
"""What iTop stores of a name."""
_HOW = "No CI is attached: "


@dataclass(frozen=True, slots=True)
class Asset:
    """A CI, as iTop showed it. `team` is 0 if it has none, or if none is asked for."""

    id: int
    iclass: str
    name: str
    criticality: str
    team: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """A CI of the organisation `org` whose `attribute` is `value`, in small letters."""

    org: int
    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for to find an alert's CI: the terms in order, of which the first that finds anything decides."""

    cmdb: Cmdb
    terms: tuple[Term, ...]
    shunned: tuple[str, ...] = ()
    """Fields of the alert whose values no CI can have, and that are not looked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a search. `reason` is found, not_found, ambiguous, unsearchable, not_named, failed or refused."""

    reason: str
    note: str = ""
    """A sentence for the incident, where no CI is attached."""
    asset: Asset | None = None


def parse_search(cmdb: Cmdb, org: int, facts: Mapping[str, Any]) -> Search:
    """What to look for, by an alert's facts."""
    named = [(attribute, field, _read(facts, field)) for attribute, field in cmdb.match]
    terms = [Term(org, attribute, value) for attribute, _, value in named if value and _is_searchable(value)]
    shunned = [field for _, field, value in named if value and not _is_searchable(value)]
    return Search(cmdb, tuple(dict.fromkeys(terms)), tuple(dict.fromkeys(shunned)))


def _read(facts: Mapping[str, Any], field: str) -> str:
    value = _fold(facts.get("host" if field == "short_host" else field))
    return value.partition(".")[0] if field == "short_host" and not _is_address(value) else value


def _fold(value: Any) -> str:
    """iTop's equality ignores case and blanks at the end (transcripts 232-234)."""
    return str(value or "").strip(" ").lower()


def _is_searchable(value: str) -> bool:
    """A name has no control characters; % is nothing to an equality, but no name has it either."""
    return len(value) <= _LONGEST and value.isprintable() and "%" not in value and "*" not in value


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def list_fields(cmdb: Cmdb) -> str:
    """The output fields of a look-up: what `read_assets` needs."""
    team = [cmdb.team] if cmdb.team else []
    return ",".join(dict.fromkeys(["id", "name", "org_id", CRITICALITY, *(name for name, _ in cmdb.match), *team]))


def describe_condition(cmdb: Cmdb, terms: Iterable[Term]) -> str:
    """One condition for many terms."""
    values: dict[int, dict[str, list[str]]] = {}
    for term in terms:
        values.setdefault(term.org, {}).setdefault(term.attribute, []).append(term.value)
    own = [
        oql.all_of([f"org_id = {org}", oql.any_of(oql.one_of(name, listed) for name, listed in wanted.items())])
        for org, wanted in values.items()
    ]
    return oql.all_of([*(oql.equals(name, value) for name, value in cmdb.where), oql.any_of(own)])


def read_assets(cmdb: Cmdb, shown: Iterable[Object]) -> Iterator[tuple[Term, Asset]]:
    """Each CI that was read with `list_fields`, once for every term that it answers to.

    Told by what the CI holds: iTop's equality ignores accents too, and what it found by that is no answer to any term.
    """
    for each in shown:
        fields = each.fields
        team = int(fields.get(cmdb.team) or 0) if cmdb.team else 0
        asset = Asset(each.key, each.iclass, str(fields["name"]), str(fields[CRITICALITY] or ""), team)
        for attribute in dict.fromkeys(name for name, _ in cmdb.match):
            yield Term(int(fields["org_id"]), attribute, _fold(fields[attribute])), asset


def decide_finding(search: Search, known: Mapping[Term, tuple[Asset, ...]], refused: Iterable[int] = ()) -> Finding:
    """The alert's CI, or why there is none. A term that is not in `known` could not be looked up."""
    for term in search.terms:
        if term not in known:
            return Finding("failed", f"{_HOW}it could not be looked up in iTop.")
        if len(known[term]) > 1:
            names = ", ".join(f"{asset.name} ({asset.iclass})" for asset in known[term])
            return Finding("ambiguous", f"{_HOW}iTop has several with {term.attribute} {term.value}: {names}.")
        for asset in known[term]:
            if asset.id in refused:
                return Finding("refused", f"{_HOW}iTop refused {asset.name} ({asset.iclass}).")
            return Finding("found", asset=asset)
    return _decide_absence(search)


def _decide_absence(search: Search) -> Finding:
    if search.terms:
        tried = " or ".join(f"{term.attribute} {term.value}" for term in search.terms)
        kinds = " or ".join(search.cmdb.classes)
        return Finding("not_found", f"{_HOW}iTop has no {kinds} of this organisation with {tried}.")
    if search.shunned:
        return Finding("unsearchable", f"{_HOW}no name or address is like the alert's {' or '.join(search.shunned)}.")
    fields = " or ".join(dict.fromkeys(field for _, field in search.cmdb.match))
    return Finding("not_named", f"{_HOW}the alert has no {fields}.")


def raise_urgency(urgency: int, asset: Asset | None, cmdb: Cmdb | None) -> int:
    """The urgency of an incident (1 is critical, 4 low) on that CI: one step up if its criticality is high."""
    raises = asset is not None and cmdb is not None and cmdb.raise_urgency and asset.criticality == "high"
    return max(1, urgency - 1) if raises else urgency
