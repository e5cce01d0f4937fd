"""What came back: every kind of exchange that was recorded, and what no recording holds."""

import json
import ssl
import zlib
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import client_exceptions
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from itop_bridge.itop.answer import Object, parse_answer, parse_retry_after, translate_exception
from itop_bridge.itop.error import (
    ConditionError,
    CredentialsError,
    DatabaseError,
    FieldError,
    LogFullError,
    MaintenanceError,
    NoReplyError,
    NotAllowedError,
    NotSentError,
    ObjectGoneError,
    RefusedError,
    RequestError,
    ServerError,
    StimulusError,
    ThrottledError,
    TooLongError,
)


def _parse(exchange):
    body = exchange.body
    encoded = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return parse_answer(exchange.status, {"Content-Type": exchange.type or ""}, encoded, exchange.request)


def _field(field, reason):
    return FieldError, {"field": field, "reason": reason, "code": 100}


def _stimulus(stimulus, state, *missing):
    return StimulusError, {"stimulus": stimulus, "state": state, "missing": missing, "code": 100}


_RECORDED = {
    # the envelope
    "007": (RequestError, {"code": 10}),
    "009": (RequestError, {"code": 2}),
    "011": (RequestError, {"code": 3}),
    "044": (RequestError, {"code": 3}),
    "013": (RequestError, {"code": 4}),
    "019": (RequestError, {"code": 11}),
    "238": (RequestError, {"code": 13}),
    # who may
    "021": (CredentialsError, {"code": 1}),
    "028": (CredentialsError, {"code": 1}),
    "031": (CredentialsError, {"code": 1}),
    "040": (CredentialsError, {"code": 1}),
    "066": (NotAllowedError, {"code": 1}),
    "424": (NotAllowedError, {"code": 1}),
    "425": (NotAllowedError, {"code": 1}),
    "901": (NotAllowedError, {"code": 1}),
    "261": (FieldError, {"field": "public_log", "reason": "other", "code": 1}),
    # our own mistakes
    "201": (RequestError, {"code": 100}),
    "217": (RequestError, {"code": 100}),
    "219": (RequestError, {"code": 100}),
    "222": (RequestError, {"code": 100}),
    "228": (RequestError, {"code": 100}),
    "267": (RequestError, {"code": 100}),
    "347": (RequestError, {"code": 100}),
    "271": (RequestError, {"code": 100}),
    "272": (RequestError, {"code": 100}),
    "913": (RequestError, {"code": 100}),
    # values
    "067": _field("org_id", "null_not_allowed"),
    "072": _field("title", "null_not_allowed"),
    "073": _field("org_id", "null_not_allowed"),
    "082": _field("urgency", "value_not_allowed"),
    "277": _field("urgency", "value_not_allowed"),
    "372": _field("resolution_code", "value_not_allowed"),
    "889": _field("urgency", "value_not_allowed"),  # 2.7
    "092": (TooLongError, {"field": "title", "code": 100}),
    "176": (TooLongError, {"field": "description", "code": 100}),
    "080": _field("foo", "unknown_attribute"),
    "144": (RequestError, {"code": 100}),
    "114": _field("foo", "unknown_attribute"),
    "134": _field("start_date", "wrong_format"),
    "164": _field("public_log", "wrong_format"),
    "165": _field("public_log", "wrong_format"),
    "171": _field("public_log", "other"),
    # references
    "100": _field("org_id", "not_found"),
    "102": _field("org_id", "not_found"),
    "103": _field("org_id", "not_found"),
    "104": _field("org_id", "ambiguous"),
    "105": _field("org_id", "ambiguous"),
    "106": _field("org_id", "unknown_attribute"),
    "108": _field("org_id", "wrong_format"),
    "109": _field("org_id", "wrong_format"),
    "110": _field("org_id", "wrong_format"),
    "121": _field("functionalcis_list", "ambiguous"),
    "122": _field("functionalcis_list", "unknown_attribute"),
    "124": _field("functionalcis_list", "not_found"),
    "126": _field("functionalcis_list", "wrong_format"),
    "656": _field("org_id", "not_found"),
    "784": _field("org_id", "not_found"),
    "787": _field("team_id", "not_found"),
    # the call's own key
    "273": (ConditionError, {"code": 100}),
    "274": (ConditionError, {"code": 100}),
    "507": (ConditionError, {"code": 100}),
    "519": (ConditionError, {"code": 100}),
    "782": (ConditionError, {"code": 100}),
    "801": (ConditionError, {"code": 100}),
    "275": (ObjectGoneError, {"code": 100}),
    "339": (ObjectGoneError, {"code": 100}),
    # stimuli
    "292": _stimulus("ev_resolve", "new"),
    "382": _stimulus("ev_resolve", "escalated_tto"),
    "702": _stimulus("ev_autoresolve", "rejected"),
    "305": _stimulus("ev_pending", None, "pending_reason"),
    "313": _stimulus("ev_resolve", None, "solution"),
    "371": _stimulus("ev_resolve", None, "resolution_code"),
    "681": _stimulus("ev_assign", None, "request_type"),
    # whatever else it refuses
    "206": (RefusedError, {"code": 100}),
    "289": (RefusedError, {"code": 100}),
    "763": (RefusedError, {"code": 100}),
    # the database
    "184": (TooLongError, {"field": "description", "code": 1406}),
    "500": (LogFullError, {"column": "public_log_index", "code": 100}),
    "433": (NotAllowedError, {"code": 1290}),
    "436": (DatabaseError, {"errno": 1205, "code": 100}),
    "581": (DatabaseError, {"errno": 1191, "code": 1191}),
    # no answer of iTop's
    "048": (NoReplyError, {"status": 200}),
    "049": (ServerError, {"status": 200}),
    "054": (ServerError, {"status": 404}),
    "199": (ServerError, {"status": 500}),
    "429": (ServerError, {"status": 500}),
    "440": (ServerError, {"status": 502}),
    "633": (ServerError, {"status": 500}),
    "439": (RequestError, {"status": 413}),
    "418": (MaintenanceError, {"status": 503}),
}


@pytest.mark.parametrize("number", _RECORDED)
def test_each_recorded_failure_is_its_own_error(number, recorded):
    expected, attributes = _RECORDED[number]
    with pytest.raises(expected) as raised:
        _parse(recorded[number])
    assert type(raised.value) is expected
    assert {name: getattr(raised.value, name) for name in attributes} == attributes


@pytest.mark.parametrize("number", _RECORDED)
def test_each_message_is_one_short_line(number, recorded):
    with pytest.raises(_RECORDED[number][0]) as raised:
        _parse(recorded[number])
    assert 0 < len(str(raised.value)) <= 330
    assert str(raised.value).isprintable()


def test_every_recording_is_used(recorded):
    assert set(recorded) - set(_RECORDED) == set(_ANSWERED)


_ANSWERED = {
    # number: (message, total, keys)
    "005": ("Operations: 7", None, []),
    "025": ("Operations: 7", None, []),
    "050": (None, None, []),
    "191": ("Found: 0", 0, []),
    "235": ("Found: 74", 74, [42, 43]),
    "240": ("Found: 74", 74, []),
    "264": (None, None, [75]),
    "331": (None, None, [79]),
    "351": ("Deleted: 1 plus (for DB integrity) 1", 1, [83, 12]),
    "352": ("Deleted: 0", 0, []),
    "502": (None, None, [7009]),
    "506": (None, None, [1]),
    "798": ("Found: 1", 1, [1]),  # 2.7
    "803": (None, None, [1]),
    "898": (None, None, [1]),
}


@pytest.mark.parametrize("number", _ANSWERED)
def test_each_recorded_success_is_an_answer(number, recorded):
    answer = _parse(recorded[number])
    assert (answer.message, answer.total, [shown.key for shown in answer.objects]) == _ANSWERED[number]


def test_an_object_has_its_class_key_and_fields(recorded):
    first = _parse(recorded["235"]).objects[0]
    assert first == Object("Incident", 42, {"id": "42", "ref": "I-SIEM-1", "status": "new"}, "")
    assert _parse(recorded["898"]).objects[0].message == "created"


# what no recording holds

_CREATE = {"operation": "core/create", "class": "Incident", "fields": {"title": "t"}}
_MAINTENANCE_27 = b'{"code":100,"message":"This application is currently under maintenance."}'
_MAINTENANCE_OWN_WORDS = b'{"data":[{"code":100,"message":"De retour \\u00e0 6 h"}],"scripts":[]}'
_DATE = {"Date": "Tue, 24 Nov 2026 10:00:00 GMT"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (503, {}, _MAINTENANCE_27, MaintenanceError),
        (503, {}, _MAINTENANCE_OWN_WORDS, MaintenanceError),
        (503, {}, b"<html>Service Unavailable</html>", ServerError),
        (503, {}, b"", ServerError),
        (503, {}, b'{"message":"no healthy upstream"}', ServerError),
        (503, {}, b'{"data":"x"}', ServerError),
        (503, {}, b"[1]", ServerError),
        (500, {}, _MAINTENANCE_27, ServerError),
        (504, {}, b"", ServerError),
        (302, {"Location": "https://sso.example/"}, b"", ServerError),
        (204, {}, b"", ServerError),
        (400, {}, b"", ServerError),
        (401, {}, b"<html>", CredentialsError),
        (403, {}, b"<html>", CredentialsError),
        (429, {}, b"", ThrottledError),
        (200, {"Content-Type": "text/html"}, b"<html>log in</html>", ServerError),
        (200, {}, b"\xff\xfe", ServerError),
        (200, {}, b'<br>Notice: PHP{"code":0,"message":null,"objects":null}', ServerError),
        (200, {}, b"[" * 100_000, ServerError),
        (200, {}, b"null", ServerError),
        (200, {}, b"[]", ServerError),
        (200, {}, b'{"message":"no code"}', ServerError),
        (200, {}, b'{"code":"0","message":null}', ServerError),
        (200, {}, b'{"code":true,"message":null}', ServerError),
        (200, {}, b'{"code":0,"message":null,"objects":[1]}', ServerError),
        (200, {}, b'{"code":0,"message":null,"objects":{"Incident::1":{"class":"Incident"}}}', ServerError),
        (200, {}, b'{"code":0,"message":null,"objects":{"a":{"class":"A","key":"1","fields":[1]}}}', ServerError),
        (200, {}, b'{"code":0,"message":null,"objects":null}', ServerError),  # a write that shows nothing
        (200, {}, b'{"code":100,"message":"Error: something new"}', RefusedError),
        (200, {}, b'{"code":100,"message":null}', RefusedError),
        (200, {}, b'{"code":12,"message":"Error: unsafe"}', RefusedError),
        (200, {}, b'{"code":1,"message":"Error: something new"}', CredentialsError),
        (200, {}, b'{"code":2006,"message":"Error: gone away"}', DatabaseError),
    ],
)
def test_what_no_recording_holds(status, headers, body, expected):
    with pytest.raises(expected) as raised:
        parse_answer(status, headers, body, _CREATE)
    assert type(raised.value) is expected
    if status != 200:
        assert raised.value.status == status


def test_empty_fields_come_as_a_list_from_php():
    body = b'{"code":0,"message":null,"objects":{"A::1":{"code":0,"message":"","class":"A","key":1,"fields":[]}}}'
    assert parse_answer(200, {}, body, _CREATE).objects == (Object("A", 1, {}, ""),)


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        (None, None, None),
        ("30", None, 30.0),
        (" 0 ", None, 0.0),
        ("86400", None, 3600.0),
        ("9" * 10_000, None, 3600.0),
        ("-5", None, None),
        ("soon", None, None),
        ("٣٠", None, None),
        ("Tue, 24 Nov 2026 10:02:00 GMT", _DATE["Date"], 120.0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", _DATE["Date"], 0.0),
        ("Wed, 25 Nov 2026 10:00:00 GMT", _DATE["Date"], 3600.0),
        ("Tue, 24 Nov 2026 10:02:00 GMT", None, None),
        ("Tue, 24 Nov 2026 10:02:00 GMT", "yesterday", None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date_is_at_most_an_hour(value, date, expected):
    assert parse_retry_after(value, date) == expected


def test_headers_are_found_however_they_are_written():
    headers = {"rEtRy-AfTeR": "Tue, 24 Nov 2026 10:02:00 GMT", "DATE": "Tue, 24 Nov 2026 10:00:00 GMT"}
    with pytest.raises(ThrottledError) as raised:
        parse_answer(429, headers, b"", _CREATE)
    assert raised.value.retry_after_s == 120.0


# exceptions of aiohttp's

_KEY = SimpleNamespace(host="itop.example", port=443, ssl=True, is_ssl=True)
_SECRET_URL = URL("http://bridge:s3cret@proxy.example:3128")
_REQUEST_INFO = aiohttp.RequestInfo(_SECRET_URL, "POST", CIMultiDictProxy(CIMultiDict()), _SECRET_URL)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ClientConnectorError(_KEY, ConnectionRefusedError(111, "refused")), NotSentError),
        (client_exceptions.ClientConnectorDNSError(_KEY, OSError(-2, "Name not known")), NotSentError),
        (aiohttp.ClientConnectorError(_KEY, OSError(24, "Too many open files")), NotSentError),
        (aiohttp.ClientProxyConnectionError(_KEY, OSError(111, "refused")), NotSentError),
        (aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, "WRONG_VERSION_NUMBER")), NotSentError),
        (aiohttp.ClientConnectorCertificateError(_KEY, ssl.SSLCertVerificationError("expired")), NotSentError),
        (aiohttp.ServerFingerprintMismatch(b"a", b"b", "itop.example", 443), NotSentError),
        (aiohttp.ConnectionTimeoutError("connection timeout"), NotSentError),
        (aiohttp.ClientHttpProxyError(_REQUEST_INFO, (), status=407, message="auth required"), NotSentError),
        (ConnectionRefusedError(111, "refused"), NotSentError),
        (aiohttp.SocketTimeoutError("read timeout"), NoReplyError),
        (aiohttp.ServerTimeoutError("timeout"), NoReplyError),
        (TimeoutError(), NoReplyError),
        (aiohttp.ServerDisconnectedError(), NoReplyError),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), NoReplyError),
        (aiohttp.ClientConnectionResetError("Cannot write to closing transport"), NoReplyError),
        (aiohttp.ClientPayloadError("Response payload is not completed"), NoReplyError),
        (aiohttp.ClientResponseError(_REQUEST_INFO, (), status=400, message="bad status line"), NoReplyError),
        (ssl.SSLError(1, "tlsv13 alert certificate required"), NoReplyError),
        (aiohttp.ClientConnectionError("Connection closed"), NoReplyError),
        (BrokenPipeError(32, "Broken pipe"), NoReplyError),
        (zlib.error("bad"), NoReplyError),
        (aiohttp.InvalidURL("http://"), RequestError),
        (aiohttp.NonHttpUrlClientError("ftp://"), RequestError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_each_exception_says_whether_the_call_was_sent(error, expected):
    translated = translate_exception(error)
    assert type(translated) is expected
    assert "s3cret" not in str(translated)
    assert len(str(translated)) < 400


def test_every_failure_to_connect_is_not_sent():
    exceptions = [
        each
        for each in vars(client_exceptions).values()
        if isinstance(each, type) and issubclass(each, aiohttp.ClientConnectorError)
    ]
    assert len(exceptions) >= 6
    for each in exceptions:
        arguments = ("/run/x", _KEY) if each is client_exceptions.UnixClientConnectorError else (_KEY,)
        cause = ssl.SSLCertVerificationError("expired") if "Certificate" in each.__name__ else OSError(1, "why")
        assert isinstance(translate_exception(each(*arguments, cause)), NotSentError)
