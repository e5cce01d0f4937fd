"""The data that a fresh simulator holds: two customers, a SOC team, a few machines, the users of the service."""

from typing import Any

from itop_bridge.simulator.account import (
    ADMINISTRATOR,
    AUTHOR,
    PORTAL,
    REST,
    SERVICE_DESK,
    SUPPORT_AGENT,
    Account,
)
from itop_bridge.simulator.draft import make_defaults
from itop_bridge.simulator.store import Row, Store

_CUSTOMER = 2
_DAEMON = 5
_OBJECTS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("Organization", 1, {"name": "My Company/Department", "code": "SOMECODE"}),
    ("Organization", _CUSTOMER, {"name": "Example Customer", "code": "EXC"}),
    ("Organization", 3, {"name": "Other Org", "code": "OTH"}),
    ("Person", 1, {"first_name": "My first name", "name": "My last name", "org_id": 1}),
    ("Person", 2, {"first_name": "Carla", "name": "Caller", "org_id": _CUSTOMER, "email": "carla@example.com"}),
    ("Person", 3, {"first_name": "Alice", "name": "Agent", "org_id": _CUSTOMER, "email": "alice@example.com"}),
    ("Person", 4, {"first_name": "Bob", "name": "Agent", "org_id": _CUSTOMER, "email": "bob@example.com"}),
    ("Person", _DAEMON, {"first_name": "Rest", "name": "Daemon", "org_id": _CUSTOMER}),
    ("Team", 6, {"name": "SOC", "org_id": _CUSTOMER}),
    ("lnkPersonToTeam", 1, {"team_id": 6, "person_id": 3}),
    ("lnkPersonToTeam", 2, {"team_id": 6, "person_id": 4}),
    ("Service", 1, {"name": "Security Monitoring", "org_id": _CUSTOMER, "status": "production"}),
    ("Service", 2, {"name": "CSOC - Security Monitoring", "org_id": _CUSTOMER, "status": "production"}),
    ("ServiceSubcategory", 1, {"name": "SIEM alert", "service_id": 1, "status": "production"}),
    (
        "ServiceSubcategory",
        2,
        {"name": "SIEM request", "service_id": 1, "status": "production", "request_type": "service_request"},
    ),
    *(
        ("Server", n, {"name": f"srv-{n:02d}", "org_id": _CUSTOMER, "managementip": f"10.1.0.{n}"})
        for n in (1, 2, 3, 5)
    ),
    ("Server", 4, {"name": "srv-04", "org_id": _CUSTOMER, "managementip": "10.1.0.4", "business_criticity": "high"}),
    ("Server", 6, {"name": "srv-dup", "org_id": _CUSTOMER, "managementip": "10.1.0.1"}),
    ("Farm", 7, {"name": "farm-1", "org_id": _CUSTOMER}),
    ("VirtualMachine", 8, {"name": "vm-01", "org_id": _CUSTOMER, "virtualhost_id": 7, "managementip": "10.2.0.1"}),
)
_USERS: tuple[tuple[str, frozenset[str], dict[str, Any]], ...] = (
    ("admin", frozenset({ADMINISTRATOR, REST}), {"contact": 1}),
    ("rest_admin", frozenset({ADMINISTRATOR, REST}), {"contact": _DAEMON}),
    ("rest_agent", frozenset({SUPPORT_AGENT, REST}), {"contact": _DAEMON}),
    ("rest_sd", frozenset({SERVICE_DESK, REST}), {"contact": _DAEMON}),
    ("rest_sdsa", frozenset({SERVICE_DESK, SUPPORT_AGENT, REST}), {"contact": _DAEMON}),
    ("rest_only", frozenset({AUTHOR, REST}), {"contact": _DAEMON}),
    ("agent_norest", frozenset({SUPPORT_AGENT}), {"contact": _DAEMON}),
    ("portal_rest", frozenset({PORTAL, REST}), {"contact": 2}),
    ("disabled_user", frozenset({ADMINISTRATOR, REST}), {"enabled": False}),
    ("colon_user", frozenset({SUPPORT_AGENT, REST}), {"password": "colon:user", "contact": _DAEMON}),
    ("utf8_user", frozenset({SUPPORT_AGENT, REST}), {"password": "pässwörd", "contact": _DAEMON}),
    ("rest_silo", frozenset({SUPPORT_AGENT, REST}), {"contact": _DAEMON, "organizations": frozenset({3})}),
    ("alice", frozenset({SUPPORT_AGENT}), {"contact": 3}),
    ("bob", frozenset({SUPPORT_AGENT}), {"contact": 4}),
)


def fill_store(store: Store) -> None:
    """Put the sample objects in, under their fixed ids."""
    for iclass, object_id, values in _OBJECTS:
        if iclass not in store.datamodel:
            continue
        model = store.datamodel[iclass]
        store.insert(Row(object_id, model, {**make_defaults(model), **values}))


def make_accounts() -> dict[str, Account]:
    """The users by login; passwords are the logins, but for two that test passwords."""
    return {
        login: Account(id=number, login=login, profiles=profiles, **{"password": login, **more})
        for number, (login, profiles, more) in enumerate(_USERS, 1)
    }
