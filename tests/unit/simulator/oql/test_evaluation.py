import pytest

from itop_bridge.simulator.caselog import CaseLog, Entry
from itop_bridge.simulator.failure import RestError
from itop_bridge.simulator.oql.evaluation import answer_query
from itop_bridge.simulator.oql.parser import OqlError, parse_query
from itop_bridge.simulator.store import Row
from itop_bridge.simulator.view import View

NOW = "2026-11-24 04:03:57"


@pytest.fixture
def store(simulator):
    model = simulator.store.datamodel["Incident"]
    entry = Entry("2026-11-24 04:00:00", "Rest Daemon", "2", "opened [sb:00c0ffee]", "text")
    rows = [
        {"ref": "I-000001", "title": "DUP", "org_id": 2, "agent_id": 4, "last_update": NOW, "solution": ""},
        {"ref": "I-000002", "title": "DÜP  ", "org_id": 3, "public_log": CaseLog((entry,)), "last_update": NOW},
        {"ref": "I-000003", "title": "[SIEM-0a1b] x_y", "org_id": 2, "last_update": "2026-11-24 02:00:00"},
    ]
    for values in rows:
        simulator.store.insert(Row(0, model, {"status": "new", **values}))
    return simulator.store


def find(store, where, organizations=None):
    """The ids that a condition selects, in iTop's order."""
    query = parse_query(f"SELECT Incident AS i {where}")
    return [row.id for row in answer_query(query, View(store, organizations), NOW).rows]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("", [3, 2, 1]),
        ("WHERE title = 'dup'", [2, 1]),
        ("WHERE title != 'dup'", [3]),
        ("WHERE title LIKE '[siem-0A1b]%'", [3]),
        ("WHERE title LIKE '%x_y'", [3]),
        ("WHERE title LIKE '%x__y'", []),
        ("WHERE id IN (1, 3, 99)", [3, 1]),
        ("WHERE id = 1 AND title = 'DUP'", [1]),
        ("WHERE id = 1 OR id = 2", [2, 1]),
        ("WHERE i.id > 1", [3, 2]),
        ("WHERE status NOT IN ('resolved', 'closed') AND org_id = 2", [3, 1]),
        ("WHERE public_log LIKE '%[SB:00c0ffee]%'", [2]),
        ("WHERE public_log NOT LIKE '%[sb:00c0ffee]%'", [3, 1]),
        ("WHERE public_log LIKE '%Rest Daemon (2)%'", [2]),
        ("WHERE org_name = 'other org'", [2]),
        ("WHERE agent_id_friendlyname = 'Bob Agent'", [1]),
        ("JOIN Organization AS o ON i.org_id = o.id WHERE o.code = 'OTH'", [2]),
        (f"WHERE last_update = '{NOW}+01:00'", [2, 1]),
        (f"WHERE last_update = '{NOW.replace(' ', 'T')}Z'", [2, 1]),
        (f"WHERE last_update = '{NOW}.5'", []),
        ("WHERE last_update = ''", []),
        ("WHERE last_update < DATE_SUB(NOW(), INTERVAL 1 HOUR)", [3]),
        ("WHERE last_update LIKE '2026-11-24 04%'", [2, 1]),
        ("WHERE ISNULL(close_date)", [3, 2, 1]),
        ("WHERE title REGEXP 'siem-[0-9]'", [3]),
        ("WHERE id = 1 + 1", [2]),
    ],
)
def test_a_condition_selects_as_itop_does(store, where, ids):
    assert find(store, where) == ids


def test_a_user_of_one_organization_sees_only_its_objects(store):
    assert find(store, "", frozenset({3})) == [2]


def test_a_name_that_is_not_there_is_answered_with_those_that_are(store):
    with pytest.raises(OqlError, match=r"found 'titel' at 27 .* expecting \{finalclass, .*, id\}, .*use 'title'"):
        find(store, "WHERE titel = 'x'")


def test_a_parameter_has_no_value(store):
    with pytest.raises(RestError, match=r"Missing query argument: expecting = foo, available = \{\}"):
        find(store, "WHERE id = :foo")


def test_a_class_that_is_not_there_is_named(store):
    with pytest.raises(OqlError) as caught:
        answer_query(parse_query("SELECT Incidentt"), View(store), NOW)
    assert caught.value.kind == "UnknownClassOqlException"
    assert str(caught.value).endswith("I would suggest to use 'Incident'")
