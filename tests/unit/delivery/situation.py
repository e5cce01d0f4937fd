"""Situations for the pure tests of delivery: what a case owes, knows, and what iTop shows."""

from itop_bridge.delivery.fold import Backlog, fold
from itop_bridge.delivery.incident import Incident
from itop_bridge.delivery.plan import Situation
from itop_bridge.itop.lifecycle import Phase
from itop_bridge.journal.case import Attempt, CaseState, Owing
from itop_bridge.settings.policy import Policy

NOW = 1_000_000.0


def facts(**changes):
    return {
        "id": "a1",
        "format": "generic",
        "title": "Brute force",
        "severity": "high",
        "state": "firing",
        "time": None,
        "host": "srv-01",
        "user": None,
        "source": "10.0.0.1",
        "destination": None,
        "observables": {},
        **changes,
    }


def fires(seq, received=NOW, urgency=2, **changes):
    return Owing(seq, "create", received, urgency, 2, facts(**changes))


def resolves(seq, received=NOW, **changes):
    return Owing(seq, "resolve", received, 4, 3, facts(state="resolved", **changes))


def adds(seq, received=NOW, **changes):
    return Owing(seq, "append", received, 4, 3, facts(**changes))


def backlog(*owings):
    state = Backlog()
    for owing in owings:
        state = fold(state, owing)
    return state


def case(**changes):
    known = {
        "id": 1,
        "key": '["code:EXC","r","generic","x"]',
        "digest": "0a1b2c3d4e5f",
        "organization": "code:EXC",
        "profile": "p",
        "incident": None,
        "ref": None,
        "urgency": None,
        "agent": 0,
        "resolved": False,
        "entries": 0,
        "log_full": False,
        "reopened": 0,
        "told": {},
        "told_at": 0.0,
        "told_seq": 0,
        "interval_s": 0.0,
        "changed_at": 0.0,
        "previous": None,
        "replaced_at": 0.0,
        "failures": 0,
        "parked": None,
        "attempts": (),
        "firing": 1,
    }
    return CaseState(**{**known, **changes})


def opened(**changes):
    """A case with an incident that was opened an hour ago and is told what `facts` says."""
    told = {"count": 1, "severity": "high", "host": ["srv-01"], "user": [], "source": ["10.0.0.1"]}
    known = {
        "incident": 7,
        "ref": "I-000007",
        "urgency": 2,
        "entries": 1,
        "told": told,
        "told_at": NOW - 3600,
        "interval_s": 300.0,
        "changed_at": NOW - 3600,
    }
    return case(**{**known, **changes})


def situation(case, owed, policy=None):
    return Situation(case, owed, policy or Policy(), "Incident", NOW)


def incident(**changes):
    known = {
        "id": 7,
        "ref": "I-000007",
        "title": "[SIEM-0a1b2c3d4e5f] Brute force",
        "status": "new",
        "phase": Phase.ONGOING,
        "org": 2,
        "agent": 0,
        "agent_name": "",
        "team": 0,
        "service": 0,
        "urgency": 2,
        "last_update": "2026-11-24 10:00:00",
        "resolution_date": "",
        "resolved_at": None,
    }
    return Incident(**{**known, **changes})


def resolved_incident(ago_s, **changes):
    return incident(status="resolved", phase=Phase.RESOLVED, resolved_at=NOW - ago_s, **changes)


def closed_incident(**changes):
    return incident(status="closed", phase=Phase.CLOSED, resolved_at=NOW - 60, **changes)


def attempt(**changes):
    known = {
        "id": 1,
        "case_id": 1,
        "kind": "append",
        "token": "0123456789abcdef",
        "incident": 7,
        "through": 1,
        "state": "unknown",
        "sent": NOW - 10,
        "look": NOW + 50,
        "looks": 0,
        "message": "text",
        "effect": {},
    }
    return Attempt(**{**known, **changes})
