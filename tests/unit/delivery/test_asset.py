import pytest
from hypothesis import given
from hypothesis import strategies as st
from situation import facts

from itop_bridge.delivery.asset import (
    Asset,
    Search,
    Term,
    decide_finding,
    describe_condition,
    list_fields,
    parse_search,
    raise_urgency,
    read_assets,
)
from itop_bridge.intent import Cmdb
from itop_bridge.itop.answer import Object

CMDB = Cmdb(("Server",), (("name", "host"), ("name", "short_host"), ("managementip", "source")))
HOST, ADDRESS = Term(2, "name", "db"), Term(2, "managementip", "10.1.0.2")
SEARCH = Search(CMDB, (HOST, ADDRESS))
DB, WEB = Asset(4, "Server", "db", "high"), Asset(5, "Server", "web", "low")


def values_of(host=None, source=None):
    return [term.value for term in parse_search(CMDB, 2, facts(host=host, source=source)).terms]


def test_the_terms_are_in_the_order_of_the_settings():
    assert values_of("DB.example.com", "10.1.0.2") == ["db.example.com", "db", "10.1.0.2"]


def test_a_host_without_a_domain_is_looked_for_once():
    assert values_of("db") == ["db"]


@pytest.mark.parametrize("address", ["10.1.0.2", "fe80::1"])
def test_an_address_as_host_has_no_short_name(address):
    assert values_of(address) == [address]


def test_blanks_around_a_host_are_none_of_it():
    assert values_of(" db ") == ["db"]


@pytest.mark.parametrize("host", ["a\nb", "a\tb", "a\0", "a%", "*", "\ud800", "a\u202eb", "x" * 256])
def test_what_no_name_is_like_is_not_looked_for(host):
    search = parse_search(CMDB, 2, facts(host=host, source="10.1.0.2"))
    assert [term.attribute for term in search.terms] == ["managementip"]
    assert search.shunned == ("host", "short_host")


def test_an_underscore_is_no_wildcard_to_an_equality():
    assert values_of("srv_01") == ["srv_01"]


@given(st.text(max_size=300))
def test_whatever_a_host_holds_its_terms_can_be_written_as_a_query(host):
    terms = parse_search(CMDB, 2, facts(host=host)).terms
    if terms:
        assert describe_condition(CMDB, terms).startswith("org_id = 2 AND ")


def test_many_terms_are_one_condition_each_within_its_organisation():
    cmdb = Cmdb(("Server",), CMDB.match, where=(("status", "production"),))
    terms = [HOST, Term(2, "name", "o'neill"), ADDRESS, Term(3, "name", "db")]
    assert describe_condition(cmdb, terms) == (
        "status = 'production' AND ((org_id = 2 AND ((name IN ('db', 'o\\'neill')) OR (managementip IN ('10.1.0.2'))))"
        " OR (org_id = 3 AND name IN ('db')))"
    )


def test_a_look_up_asks_for_what_it_compares():
    assert list_fields(CMDB) == "id,name,org_id,business_criticity,managementip"
    assert list_fields(Cmdb(("Server",), CMDB.match, team="supportteam_id")).endswith(",managementip,supportteam_id")


def test_a_ci_answers_to_the_terms_that_it_holds():
    fields = {"name": "DB", "org_id": "2", "business_criticity": None, "managementip": "10.1.0.2", "team": "6"}
    cmdb = Cmdb(("Server",), CMDB.match, team="team")
    found = dict(read_assets(cmdb, [Object("Server", 4, fields, "")]))
    assert found == dict.fromkeys([HOST, ADDRESS], Asset(4, "Server", "DB", "", 6))


@pytest.mark.parametrize(
    ("known", "reason", "asset"),
    [
        ({HOST: (DB,), ADDRESS: (WEB,)}, "found", DB),
        ({HOST: (), ADDRESS: (WEB,)}, "found", WEB),
        ({HOST: (DB, WEB), ADDRESS: (WEB,)}, "ambiguous", None),
        ({HOST: (), ADDRESS: ()}, "not_found", None),
        ({ADDRESS: (WEB,)}, "failed", None),
        ({}, "failed", None),
    ],
)
def test_the_first_term_that_finds_anything_decides(known, reason, asset):
    finding = decide_finding(SEARCH, known)
    assert (finding.reason, finding.asset) == (reason, asset)
    assert bool(finding.note) is (asset is None)


def test_a_ci_that_itop_refused_is_not_used():
    assert decide_finding(SEARCH, {HOST: (DB,)}, {DB.id}).reason == "refused"
    assert decide_finding(SEARCH, {HOST: (DB,)}, {WEB.id}).reason == "found"


def test_an_alert_without_a_machine_is_told_from_one_that_cannot_be_looked_for():
    assert decide_finding(Search(CMDB, ()), {}).reason == "not_named"
    assert decide_finding(Search(CMDB, (), ("host",)), {}).reason == "unsearchable"


def test_a_note_is_one_line():
    notes = [
        decide_finding(parse_search(CMDB, 2, facts(host=host, source=None)), dict.fromkeys([HOST], (DB, WEB))).note
        for host in ("db", "a\nb", "nobody", None)
    ]
    assert all(note.startswith("No CI is attached: ") and "\n" not in note for note in notes)


@pytest.mark.parametrize(
    ("criticality", "raised"), [("high", [1, 1, 2, 3]), ("medium", [1, 2, 3, 4]), ("", [1, 2, 3, 4])]
)
def test_a_high_criticality_raises_the_urgency_by_one(criticality, raised):
    asset = Asset(4, "Server", "db", criticality)
    assert [raise_urgency(urgency, asset, CMDB) for urgency in (1, 2, 3, 4)] == raised


def test_the_urgency_stays_without_a_ci_or_where_the_site_says_so():
    assert raise_urgency(3, None, CMDB) == 3
    assert raise_urgency(3, DB, Cmdb(("Server",), CMDB.match, raise_urgency=False)) == 3
