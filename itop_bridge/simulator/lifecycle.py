"""Stimuli: which lead where, what they ask for, and what iTop writes down then.

Transcripts 292-395, 611-632, 730-760.
"""

from itop_bridge.simulator.draft import Draft
from itop_bridge.simulator.failure import PhpFatalError, RefusedError
from itop_bridge.simulator.moment import seconds_between
from itop_bridge.simulator.session import Session


def apply_stimulus(session: Session, draft: Draft, stimulus: str) -> None:
    """Move the ticket to its next state. Raises RefusedError with iTop's words."""
    row, name = draft.row, session.view.text(draft.row, "friendlyname")
    state = row.values.get("status", "")
    life = row.model.states.get(state)
    if life is None or stimulus not in life.transitions:
        raise RefusedError(f"Invalid stimulus: '{stimulus}' on the object {name} in state '{state}'")
    target = life.transitions[stimulus]
    # PHP 8 compares with '': an empty text is missing, a key of 0 is not
    nothing = ("", None, 0) if session.release.misses_keys else ("", None)
    missing = [code for code in row.model.states[target].mandatory if row.values.get(code) in nothing]
    if missing:
        listed = ", ".join(missing)
        raise RefusedError(f"Missing mandatory attribute(s) for applying the stimulus: {listed}.")
    is_broken = session.release.breaks_escalated_assign and "Incident" in row.model.lineage
    if is_broken and (state, stimulus) == ("escalated_tto", "ev_assign"):
        raise PhpFatalError  # iTop 3.2 calls a method that is not there (transcript 385)
    draft.assign(status=target)
    _note_dates(session, draft, state, target)


def _note_dates(session: Session, draft: Draft, state: str, target: str) -> None:
    now, values = session.now(), draft.row.values
    operational_status = draft.row.model.states[target].operational_status
    since_start = seconds_between(values["start_date"] or "", now)
    match target:
        case "assigned" if state in ("new", "approved", "escalated_tto"):
            draft.assign(assignment_date=now, tto=since_start)
        case "pending":
            draft.assign(last_pending_date=now)
        case _ if operational_status == "resolved":
            draft.assign(resolution_date=now, ttr=since_start, time_spent=str(since_start))
        case "closed":
            draft.assign(close_date=now)
