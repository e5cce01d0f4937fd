"""People at work in iTop's own pages: each act happens at once, without a call over REST."""

from collections.abc import Mapping
from typing import Any

from itop_bridge.simulator.datamodel import Attribute
from itop_bridge.simulator.draft import Draft
from itop_bridge.simulator.lifecycle import apply_stimulus
from itop_bridge.simulator.removal import find_dependents, remove_rows
from itop_bridge.simulator.session import Session
from itop_bridge.simulator.store import Row

ACTS = frozenset({"assign", "pending", "resolve", "close", "reopen", "delete", "edit", "log", "stimulate"})
"""What a person does; each is a method."""


class Person:
    """One person. Tickets are named by their id; a refused act raises RestError or RefusedError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def act(self, name: str, ticket: int | str, *args: Any, **kwargs: Any) -> None:
        """The act of that name. Raises LookupError if there is none."""
        if name not in ACTS:
            raise LookupError(f"{name!r} is no act; there are {', '.join(sorted(ACTS))}")
        getattr(self, name)(ticket, *args, **kwargs)

    def assign(self, ticket: int | str, **fields: Any) -> None:
        """Take the ticket, with the person's first team."""
        contact = self._session.account.contact
        teams = [
            link.values["team_id"]
            for link in self._session.view.scan("lnkPersonToTeam")
            if link.values["person_id"] == contact
        ]
        row = self._find(ticket)
        stimulus = "ev_assign" if "ev_assign" in row.model.states[row.values["status"]].transitions else "ev_reassign"
        self._write(row, {"agent_id": contact, "team_id": teams[0] if teams else 0, **fields}, stimulus)

    def pending(self, ticket: int | str, reason: str) -> None:
        self._write(self._find(ticket), {"pending_reason": reason}, "ev_pending")

    def resolve(self, ticket: int | str, solution: str) -> None:
        """Resolve the ticket, taking it first where that is needed."""
        row = self._find(ticket)
        if "ev_resolve" not in row.model.states[row.values["status"]].transitions:
            self.assign(ticket)
        self._write(row, {"solution": solution}, "ev_resolve")

    def close(self, ticket: int | str) -> None:
        """Close the ticket, resolving it first where that is needed."""
        row = self._find(ticket)
        if row.values["status"] != "resolved":
            self.resolve(ticket, "closed")
        self._write(row, {}, "ev_close")

    def reopen(self, ticket: int | str) -> None:
        self._write(self._find(ticket), {}, "ev_reopen")

    def stimulate(self, ticket: int | str, stimulus: str, **fields: Any) -> None:
        """Any transition, as of a site's own life of tickets."""
        self._write(self._find(ticket), fields, stimulus)

    def delete(self, ticket: int | str) -> None:
        row = self._find(ticket)
        remove_rows(self._session.view.store, [row, *find_dependents(self._session.view, [row])])

    def edit(self, ticket: int | str, **fields: Any) -> None:
        """Change attributes, as core/update would."""
        self._write(self._find(ticket), fields)

    def log(self, ticket: int | str, text: str, log: str = "public_log") -> None:
        """Add an entry of plain text."""
        self._write(self._find(ticket), {log: {"add_item": {"message": text, "format": "text"}}})

    def _find(self, ticket: int | str) -> Row:
        row = self._session.view.store.get("Ticket", int(ticket))
        if row is None:
            raise LookupError(f"there is no ticket {ticket}")
        return row

    def _write(self, row: Row, fields: Mapping[str, Any], stimulus: str = "") -> None:
        draft = Draft(self._session, row, row.model)
        draft.edit(fields)
        if stimulus:
            draft.edit(self._fill_in(draft.row, stimulus))
            apply_stimulus(self._session, draft, stimulus)
        draft.check()
        draft.store()

    def _fill_in(self, row: Row, stimulus: str) -> dict[str, Any]:
        """Something for whatever iTop's form insists on and the ticket has not yet."""
        states = row.model.states
        target = states[row.values["status"]].transitions.get(stimulus)
        missing = [code for code in (states[target].mandatory if target else ()) if not row.values.get(code)]
        return {code: value for code in missing if (value := self._choose(row.model.attributes[code]))}

    def _choose(self, attribute: Attribute) -> Any:
        if attribute.kind == "enum":
            return attribute.values[0]
        if attribute.kind == "key":
            return next((row.id for row in self._session.view.scan(attribute.target)), 0)
        return None  # a text is for whoever acts to give
