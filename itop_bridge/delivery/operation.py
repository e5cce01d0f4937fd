"""The iTop call of a step: which operation, on which key, with which fields. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.text import token_line
from itop_bridge.intent import Writing
from itop_bridge.itop import oql

COMMENT = "itop_bridge"
ANSWER = "id,ref,status,urgency,agent_id,last_update,resolution_date"
CI_LIST = "functionalcis_list"
"""The incident's CIs."""


@dataclass(frozen=True, slots=True)
class Script:
    """The texts of one call."""

    title: str = ""
    description: str = ""
    entry: str = ""
    """The log entry; empty: none (the log is full, or the budget is used up)."""
    solution: str = ""


def conditional_key(iclass: str, incident: Incident, log: str, tokens: Sequence[str]) -> str:
    """The incident as it was read, and without the tokens whose fate is not known: else iTop finds nothing to write.

    Not a lock, but it narrows the gap to one second (transcripts 506-519, 532-534).
    """
    conditions = [f"id = {incident.id}", f"last_update = {oql.quote(incident.last_update)}"]
    conditions += [oql.lacks(log, token_line(token)) for token in tokens]
    return oql.select(iclass, oql.all_of(conditions))


def text_key(iclass: str, incident: int, log: str, token: str) -> str:
    """The incident, as long as it does not hold the token."""
    return oql.select(iclass, oql.all_of([f"id = {incident}", oql.lacks(log, token_line(token))]))


def log_entry(writing: Writing, text: str) -> dict[str, Any]:
    """Verbatim text: iTop escapes it (transcripts 160, 173)."""
    return {writing.log: {"add_item": {"message": text, "format": "text"}}} if text else {}


def describe_create(
    writing: Writing,
    script: Script,
    *,
    org: int,
    impact: int,
    urgency: int,
    references: Mapping[str, str],
    asset: int | None = None,
) -> dict[str, Any]:
    """The operation that opens an incident, with the CI `asset` attached (transcripts 117, 118)."""
    attached = {CI_LIST: [{"functionalci_id": asset, "impact_code": "manual"}]} if asset is not None else {}
    return {
        "operation": "core/create",
        "class": writing.iclass,
        "comment": COMMENT,
        "fields": {
            **({"origin": writing.origin} if writing.origin else {}),
            **dict(writing.fields),
            **references,
            **attached,
            "org_id": org,
            "title": script.title,
            "description": script.description,
            "impact": str(impact),
            "urgency": str(urgency),
            **log_entry(writing, script.entry),
        },
        "output_fields": ANSWER,
    }


def describe_append(writing: Writing, key: str, script: Script, urgency: int | None) -> dict[str, Any]:
    """The operation that adds a log entry, and raises the urgency if given."""
    raised = {"urgency": str(urgency)} if urgency is not None else {}
    return {
        "operation": "core/update",
        "class": writing.iclass,
        "comment": COMMENT,
        "key": key,
        "fields": {**raised, **log_entry(writing, script.entry)},
        "output_fields": ANSWER,
    }


def describe_stimulus(
    writing: Writing, key: str, stimulus: str, script: Script, references: Mapping[str, str]
) -> dict[str, Any]:
    """The operation that resolves (with a solution) or reopens (without)."""
    solution = {"solution": script.solution, "resolution_code": writing.resolution_code} if script.solution else {}
    return {
        "operation": "core/apply_stimulus",
        "class": writing.iclass,
        "comment": COMMENT,
        "key": key,
        "stimulus": stimulus,
        "fields": {**references, **solution, **log_entry(writing, script.entry)},
        "output_fields": ANSWER,
    }


def name_references(writing: Writing, *, leave_out: frozenset[str]) -> dict[str, str]:
    """The optional references (team, caller, service …) as OQL keys, by name."""
    return {
        attribute: oql.select(iclass, f"{_name_attribute(iclass)} = {oql.quote(name)}")
        for attribute, iclass, name in writing.references
        if attribute not in leave_out
    }


def own_agent(writing: Writing, incident: Incident) -> int:
    """The agent, if it is the one that the incident was created with; 0 if a person set another one meanwhile."""
    named = [name.casefold() for attribute, _, name in writing.references if attribute == "agent_id"]
    return incident.agent if incident.agent_name.casefold() in named else 0


def _name_attribute(iclass: str) -> str:
    # a person's `name` is the family name; its full name is the friendly name
    return "friendlyname" if iclass == "Person" else "name"
