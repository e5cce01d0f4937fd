"""Landings for the journal's tests."""

from itop_bridge.alert import State
from itop_bridge.intent import Case, Texts, Writing
from itop_bridge.journal.landing import Element, Landing, Owed
from itop_bridge.journal.profile import Profile
from itop_bridge.settings.policy import Policy

PROFILE = Profile("r", "f", Policy(), Writing(Texts("t", "d", "c", "a", "r", "s")))


def fires(event_id, identity="a", *, org="EXC", group="g", urgency=2, received=1000.0, state="firing", **changes):
    case = Case(f"code:{org}", "r", ("generic", group))
    kind = "create" if state == "firing" else "resolve"
    values = {
        "scope": f"{org}|r",
        "identity": identity,
        "state": State(state),
        "one_shot": False,
        "episode": None,
        "content": f"{identity}{state}{received}",
        "received": received,
        "intents": (Owed(kind, case.key, case.digest, case.organization, urgency, 2, b'{"title": "t"}'),),
        "profile": PROFILE.hash,
        "duplicate_window_s": 600.0,
        "resolve_wait_s": 600.0,
        "group_wait_s": 0.0,
        "route": "r",
        **changes,
    }
    return Element(event_id, 0, Landing(**values))


def resolves(event_id, identity="a", **changes):
    return fires(event_id, identity, state="resolved", **changes)
