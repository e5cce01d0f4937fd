import base64

import pytest

from itop_bridge.delivery.attachment import (
    HELD_S,
    MOST_TRIES,
    REFUSED_S,
    File,
    Outcome,
    decide_outcome,
    describe_attachment,
    describe_file,
)
from itop_bridge.itop.error import (
    CredentialsError,
    FieldError,
    MaintenanceError,
    NoReplyError,
    NotAllowedError,
    NotSentError,
    RefusedError,
    RequestError,
    ServerError,
    WithdrawnError,
)
from itop_bridge.journal.attachment import Attachment

HOSTILE = b'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>'


@pytest.mark.parametrize(
    ("payload", "name", "mimetype"),
    [
        (b'{"a": 1}', "alert-7.json", "application/json"),
        (b' [{"a": 1}]\n', "alert-7.json", "application/json"),
        (b'"<script>alert(1)</script>"', "alert-7.txt", "text/plain"),
        (b'{"a": 1}\n{"a": 2}', "alert-7.txt", "text/plain"),
        (b"CEF:0|a|b|c|d|e|f|", "alert-7.txt", "text/plain"),
        (b"<?xml version='1.0'?><a/>", "alert-7.txt", "text/plain"),
        (HOSTILE, "alert-7.txt", "text/plain"),
        (b"\xff\xfe\x00", "alert-7.txt", "text/plain"),
        (b"", "alert-7.txt", "text/plain"),
    ],
)
def test_a_file_has_a_name_and_a_type_of_ours_that_no_browser_runs(payload, name, mimetype):
    assert describe_file(7, payload, len(payload)) == File(name, mimetype, payload)


@pytest.mark.parametrize(("head", "told"), [(1024, "1KiB"), (1_048_576, "1MiB"), (1500, "1500B")])
def test_the_head_of_a_longer_alert_is_named_as_one_and_is_no_json(head, told):
    data = (b"[" + b" " * head)[: head - 1] + b"]"
    assert describe_file(7, data, head + 1) == File(f"alert-7-first-{told}.txt", "text/plain", data)


def test_the_operation_is_as_it_was_recorded():
    attachment = Attachment(1, 2, "digest", "wazuh", 7, "UserRequest", 42, "R-000042", 100, 0, b"{}", 2, False)
    operation = describe_attachment(attachment, File("alert-7.json", "application/json", b"{}"), 3)
    assert (operation["operation"], operation["class"], operation["output_fields"]) == (
        "core/create",
        "Attachment",
        "id",
    )
    assert operation["fields"] == {
        "item_class": "UserRequest",
        "item_id": 42,
        "item_org_id": 3,
        "contents": {
            "data": base64.b64encode(b"{}").decode(),
            "mimetype": "application/json",
            "filename": "alert-7.json",
        },
    }


def decide(error, *, is_sent=True, is_unknown=False, tries=0, healthy=True):
    return decide_outcome(error, is_sent=is_sent, is_unknown=is_unknown, tries=tries, healthy=healthy)


@pytest.mark.parametrize("error", [NotSentError(), MaintenanceError(), WithdrawnError(), CredentialsError()])
@pytest.mark.parametrize("is_sent", [True, False])
def test_what_was_not_done_waits_and_does_not_count(error, is_sent):
    assert decide(error, is_sent=is_sent, tries=MOST_TRIES) == Outcome("pending", "not_done", HELD_S)


@pytest.mark.parametrize(("is_unknown", "state"), [(False, "pending"), (True, "unknown")])
def test_a_look_that_fails_leaves_what_is_known_as_it_is(is_unknown, state):
    assert decide(NoReplyError(), is_sent=False, is_unknown=is_unknown) == Outcome(
        state, "not_done", HELD_S, counts=True
    )


def test_a_write_without_an_answer_is_looked_for_after_the_servers_time_limit():
    assert decide(NoReplyError()) == Outcome("unknown", "no_answer", None, counts=True)
    assert decide(ServerError(), healthy=False, tries=MOST_TRIES) == Outcome("unknown", "no_answer")


def test_what_fails_again_and_again_while_iTop_answers_others_is_given_up():  # noqa: N802 - its name
    assert decide(NoReplyError(), tries=MOST_TRIES - 2).state == "unknown"
    assert decide(NoReplyError(), tries=MOST_TRIES - 1) == Outcome("failed", "given_up")


def test_a_missing_right_makes_all_wait_long():
    assert decide(NotAllowedError(), is_unknown=True) == Outcome("unknown", "not_allowed", REFUSED_S)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RequestError(status=413), "too_large"),
        (RefusedError(status=403), "refused"),
        (FieldError(field="contents", reason="other"), "refused"),
    ],
)
def test_what_will_not_work_has_failed(error, reason):
    assert decide(error) == Outcome("failed", reason)
