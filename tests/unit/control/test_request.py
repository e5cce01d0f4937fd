import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.control.error import RequestError
from itop_bridge.control.request import (
    REQUESTS,
    DropLetters,
    FetchStatus,
    ListCases,
    ListLetters,
    Pause,
    Reload,
    ResolveCases,
    RetryLetters,
    ShowCase,
    changes_something,
    name_of,
    read_request,
    write_request,
)
from itop_bridge.journal.inquiry import CaseFilter, LetterFilter


def test_the_names_of_the_operations_are_a_contract():
    assert sorted(REQUESTS) == [
        "drop-letters",
        "fetch-status",
        "find-events",
        "list-cases",
        "list-letters",
        "pause",
        "reload",
        "replay-events",
        "replay-recorded",
        "resolve-cases",
        "resume",
        "retry-letters",
        "show-case",
        "show-event",
        "show-letter",
    ]


@pytest.mark.parametrize(
    "request_",
    [
        ListLetters(LetterFilter(ids=(1, 2), route="r", reason="x", older_than_s=3600.0, state="all", limit=5)),
        RetryLetters(LetterFilter(), dry_run=True),
        DropLetters(LetterFilter(newer_than_s=1.5)),
        ListCases(CaseFilter(organization="code:EXC", state="open", since=1.0)),
        ShowCase("I-000001"),
        ResolveCases("r", 1.0, wait=False),
        Pause(None),
        Pause("wazuh"),
        FetchStatus(),
    ],
)
def test_a_request_is_the_same_after_its_way_through_json(request_):
    assert read_request(name_of(type(request_)), write_request(request_)) == request_


def test_a_request_without_content_has_its_defaults():
    assert read_request("reload", b"") == Reload()
    assert read_request("list-letters", b"{}") == ListLetters(LetterFilter())


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("list-leters", b"", "there is no operation 'list-leters'; did you mean list-letters?"),
        ("pause", b'{"rout": "x"}', "pause: unknown key 'rout'; did you mean route?"),
        ("list-letters", b'{"filter": {"rote": "x"}}', "unknown key 'rote'; did you mean route?"),
        ("show-letter", b"{}", "show-letter: id: "),
        ("show-letter", b'{"id": "5"}', "show-letter: id: "),
        ("pause", b'{"route": 5}', "pause: route: "),
        ("pause", b"[]", "pause: "),
        ("pause", b"{", "pause: the request is not JSON"),
        ("pause", b"\xff", "pause: the request is not JSON"),
        ("pause", b"[" * 100_000, "pause: the request is not JSON"),
        ("show-case", b'{"name": "\\udc80"}', "show-case: "),
    ],
)
def test_a_bad_request_says_what_is_wrong(name, content, told):
    with pytest.raises(RequestError) as caught:
        read_request(name, content)
    assert told in str(caught.value)


@given(st.sampled_from(sorted(REQUESTS)), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_is_sent_is_a_request_or_a_bad_one(name, value):
    for content in (value, {"filter": value, "id": value, "route": value, "name": value}):
        try:
            request = read_request(name, json.dumps(content).encode())
        except RequestError:
            continue
        assert isinstance(request, REQUESTS[name])


def test_a_dry_run_changes_nothing():
    assert changes_something(RetryLetters(LetterFilter()))
    assert changes_something(Reload())
    assert not changes_something(RetryLetters(LetterFilter(), dry_run=True))
    assert not changes_something(FetchStatus())
