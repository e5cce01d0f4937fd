"""The one module that speaks HTTP, held against real sockets where it matters."""

import asyncio
import base64
import gzip
import json
import socket
import ssl
from types import MappingProxyType

import aiohttp
import pytest
from aiohttp import web

from itop_bridge import __version__
from itop_bridge.errors import ConfigurationError
from itop_bridge.itop.client import Client, Connection, encode_operation
from itop_bridge.itop.error import (
    CredentialsError,
    MaintenanceError,
    NoReplyError,
    NotSentError,
    RequestError,
    ServerError,
    ThrottledError,
    UncertainError,
)

_FOUND = b'{"code":0,"message":"Found: 0","objects":null}'


def _connect(address, **changes):
    return Client(Connection(address, "bridge", "s3cret", **changes))


def _reply(body, *headers, status=b"200 OK"):
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"Connection: close", b"", body])


async def _check_raw(raw_server, reply, *, timeout_s=5.0, max_answer_bytes=1 << 20, **server):
    async with raw_server(reply, **server) as served:
        connection = {"timeout_s": timeout_s, "max_answer_bytes": max_answer_bytes}
        async with _connect(f"http://127.0.0.1:{served.port}", **connection) as client:
            return await client.check()


# what is sent


class Server:
    """Records what was sent, and answers with the next of `answers`, or that nothing was found."""

    def __init__(self, *answers):
        self.requests = []
        self.peers = set()
        self.answers = list(answers)

    async def __call__(self, request):
        self.peers.add(request.transport.get_extra_info("peername"))
        self.requests.append((request, await request.post()))
        return self.answers.pop(0) if self.answers else web.Response(body=_FOUND)


async def test_a_call_is_a_form_with_the_credentials_in_it(web_server):
    server = Server()
    async with _connect(await web_server(server)) as client:
        answer = await client.fetch("Incident", 1, "id")
    assert answer.total == 0
    request, form = server.requests[0]
    assert (request.method, request.path_qs) == ("POST", "/webservices/rest.php?version=1.4")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["User-Agent"] == f"itop-bridge/{__version__}"
    assert "Authorization" not in request.headers
    assert {name: form[name] for name in ("auth_user", "auth_pwd")} == {"auth_user": "bridge", "auth_pwd": "s3cret"}
    assert json.loads(form["json_data"]) == {
        "operation": "core/get",
        "class": "Incident",
        "key": 1,
        "output_fields": "id",
    }


async def test_basic_credentials_are_in_the_header_only(web_server):
    server = Server()
    address = await web_server(server)
    async with Client(Connection(address, "brücke", "pässwort", auth="basic")) as client:
        await client.check()
    request, form = server.requests[0]
    kind, pair = request.headers["Authorization"].split()
    assert (kind, base64.b64decode(pair).decode()) == ("Basic", "brücke:pässwort")
    assert list(form) == ["json_data"]


async def test_a_token_is_in_its_header_only(web_server):
    server = Server()
    async with Client(Connection(await web_server(server), auth="token", token="t0ken")) as client:
        await client.check()
    request, form = server.requests[0]
    assert request.headers["Auth-Token"] == "t0ken"
    assert "Authorization" not in request.headers
    assert list(form) == ["json_data"]


async def test_text_arrives_as_it_is(web_server):
    server = Server()
    text = "a&b=c%20+d;é🔥\r\n\x00'\"\\ <b>" + "x" * 500_000
    async with _connect(await web_server(server)) as client:
        await client.call({"operation": "core/get", "key": text})
    assert json.loads(server.requests[0][1]["json_data"])["key"] == text


async def test_cookies_and_the_connection_are_kept_also_for_an_ip_address(web_server):
    first = web.Response(body=_FOUND)
    first.set_cookie("itop-session", "abc")
    server = Server(first)
    async with _connect(await web_server(server)) as client:
        await client.check()
        await client.check()
    assert [request.cookies.get("itop-session") for request, _ in server.requests] == [None, "abc"]
    assert len(server.peers) == 1


async def test_each_connection_has_its_own_cookies(web_server):
    first = web.Response(body=_FOUND)
    first.set_cookie("itop-session", "abc")
    server = Server(first)
    address = await web_server(server)
    for _ in range(2):
        async with _connect(address) as client:
            await client.check()
    assert server.requests[1][0].cookies == {}


async def test_no_redirect_is_followed(web_server):
    server = Server(web.Response(status=307, headers={"Location": "/elsewhere"}))
    async with _connect(await web_server(server)) as client:
        with pytest.raises(ServerError) as raised:
            await client.check()
    assert raised.value.status == 307
    assert len(server.requests) == 1


# what comes back


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 503, "payload": {"data": [{"code": 100, "message": "m"}], "scripts": []}}, MaintenanceError),
        ({"status": 429, "headers": {"Retry-After": "7"}}, ThrottledError),
        ({"payload": {"code": 1, "message": "Error: Invalid login"}}, CredentialsError),
        ({"status": 500, "body": "<p>iTop: An error occurred</p>", "content_type": "text/html"}, ServerError),
        ({"exception": aiohttp.ServerDisconnectedError()}, NoReplyError),
        ({"exception": aiohttp.ConnectionTimeoutError("connection")}, NotSentError),
        ({"exception": aiohttp.SocketTimeoutError("read")}, NoReplyError),
        ({"exception": OSError(24, "Too many open files")}, NoReplyError),
        ({"timeout": True}, NoReplyError),
    ],
)
async def test_answers_and_exceptions_become_errors_of_ours(http, answer, expected):
    http(**answer)
    async with _connect("http://itop.invalid") as client:
        with pytest.raises(expected) as raised:
            await client.check()
    assert type(raised.value) is expected
    if "exception" in answer:
        assert raised.value.__cause__ is answer["exception"]


async def test_what_retry_after_says_is_kept(http):
    http(status=429, headers={"Retry-After": "7"})
    async with _connect("http://itop.invalid") as client:
        with pytest.raises(ThrottledError) as raised:
            await client.check()
    assert raised.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    "reply",
    [
        _reply(_FOUND, b"Content-Length: %d" % len(_FOUND)),
        _reply(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_FOUND), _FOUND), b"Transfer-Encoding: chunked"),
        _reply(_FOUND),
        _reply(gzip.compress(_FOUND), b"Content-Encoding: gzip"),
    ],
    ids=["length", "chunked", "to the end", "gzip"],
)
async def test_a_whole_answer_is_read_however_it_is_sent(raw_server, reply):
    assert (await _check_raw(raw_server, reply)).total == 0


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        _reply(_FOUND, b"Content-Length: 4711"),
        # the part that came is valid JSON
        _reply(b"%x\r\n%b\r\n" % (len(_FOUND), _FOUND), b"Transfer-Encoding: chunked"),
        _reply(b"zz\r\n", b"Transfer-Encoding: chunked"),
        _reply(b"no gzip at all", b"Content-Encoding: gzip", b"Content-Length: 14"),
        _reply(gzip.compress(_FOUND)[:-12], b"Content-Encoding: gzip", b"Content-Length: 4711"),
        _reply(b"", b"Content-Length: 0"),
        _reply(_FOUND, b"Content-Length: %d" % len(_FOUND), b"X: " + b"x" * 100_000),
    ],
    ids=[
        "closed",
        "half a header",
        "another protocol",
        "bad status",
        "short of its length",
        "no last chunk",
        "bad chunk",
        "no gzip",
        "half a gzip",
        "empty",
        "endless header",
    ],
)
async def test_half_an_answer_is_none(raw_server, reply):
    with pytest.raises(NoReplyError):
        await _check_raw(raw_server, reply)


async def test_half_a_gzip_that_ends_like_a_whole_answer_is_uncertain_all_the_same(raw_server):
    with pytest.raises(UncertainError):
        await _check_raw(raw_server, _reply(gzip.compress(_FOUND)[:-12], b"Content-Encoding: gzip"))


async def test_a_reset_is_no_reply(raw_server):
    with pytest.raises(NoReplyError):
        await _check_raw(raw_server, b"HTTP/1.1 200 OK\r\n", abort=True)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"], ids=["nothing", "half"])
async def test_an_answer_that_does_not_come_in_time_is_no_reply(raw_server, reply):
    hang = asyncio.Event()
    try:
        with pytest.raises(NoReplyError, match="in time"):
            await _check_raw(raw_server, reply, hang=hang, timeout_s=0.1)
    finally:
        hang.set()


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "gzip bomb"])
async def test_an_answer_over_the_limit_is_not_read_on(raw_server, encoded):
    body = b" " * 1_000_000
    reply = _reply(gzip.compress(body), b"Content-Encoding: gzip") if encoded else _reply(body)
    with pytest.raises(NoReplyError, match="larger than 100000 bytes"):
        await _check_raw(raw_server, reply, max_answer_bytes=100_000)


async def test_a_refused_connection_is_not_sent():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with _connect(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(NotSentError, match=f"^no connection to 127.0.0.1:{port}: Connection refused$"):
            await client.check()


async def test_a_host_without_an_address_is_not_sent(monkeypatch):
    def find_nothing(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", find_nothing)
    async with _connect("http://itop.invalid") as client:
        with pytest.raises(NotSentError, match="Name or service not known"):
            await client.check()


async def test_a_cancelled_call_stays_cancelled(raw_server):
    hang = asyncio.Event()
    async with raw_server(b"", hang=hang) as served, _connect(f"http://127.0.0.1:{served.port}") as client:
        call = asyncio.create_task(client.check())
        await served.came.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        hang.set()


async def test_a_call_that_is_no_json_is_not_sent(web_server):
    server = Server()
    loop = []
    loop.append(loop)
    async with _connect(await web_server(server)) as client:
        for value in (float("nan"), {1, 2}, b"bytes", loop):
            with pytest.raises(RequestError):
                await client.call({"operation": "core/get", "key": value})
    assert server.requests == []


async def test_a_client_that_is_not_open_sends_nothing():
    with pytest.raises(RuntimeError):
        await _connect("http://itop.invalid").check()


def test_lone_surrogates_are_replaced_and_pairs_are_kept():
    encoded = encode_operation(MappingProxyType({"a": "\ud800x\udfff", "b": "🔥"}))
    assert encoded == '{"a":"�x�","b":"🔥"}'
    encoded.encode()


# TLS and proxies


def _server_tls(certificates, *, ask_client=False):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED if ask_client else ssl.CERT_NONE
    return context


async def test_a_ca_of_ones_own_and_a_client_certificate(web_server, certificates):
    address = await web_server(Server(), ssl=_server_tls(certificates, ask_client=True))
    files = {name: str(certificates / file) for name, file in _CLIENT_FILES.items()}
    async with _connect(address, **files) as client:
        assert (await client.check()).total == 0


_CLIENT_FILES = {"ca_file": "ca.pem", "client_cert_file": "client.pem", "client_key_file": "client.key"}


async def test_a_certificate_that_is_not_trusted_gets_no_call(web_server, certificates):
    server = Server()
    async with _connect(await web_server(server, ssl=_server_tls(certificates))) as client:
        with pytest.raises(NotSentError, match="not trusted"):
            await client.check()
    assert server.requests == []


async def test_a_certificate_of_another_host_gets_no_call(web_server, certificates):
    server = Server()
    address = await web_server(server, ssl=_server_tls(certificates))
    async with _connect(address.replace("127.0.0.1", "localhost"), ca_file=str(certificates / "ca.pem")) as client:
        with pytest.raises(NotSentError, match="not trusted"):
            await client.check()
    assert server.requests == []


async def test_a_plain_port_is_never_spoken_to_in_plain(raw_server):
    async with raw_server(b"") as served, _connect(f"https://127.0.0.1:{served.port}", timeout_s=0.1) as client:
        with pytest.raises(NotSentError):
            await client.check()
        assert served.requests == []


@pytest.mark.parametrize(
    "files", [{"ca_file": "/nowhere/ca.pem"}, {"client_cert_file": "/nowhere/c.pem"}, {"ca_file": __file__}]
)
async def test_certificate_files_that_cannot_be_used_are_named(files):
    with pytest.raises(ConfigurationError, match=next(iter(files.values()))):
        await _connect("https://itop.invalid", **files).__aenter__()


async def test_the_proxy_of_the_environment_is_used_and_its_password_not_shown(raw_server, monkeypatch):
    reply = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(reply) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pr0xy@127.0.0.1:{proxy.port}")
        async with _connect("https://itop.invalid") as client:
            with pytest.raises(NotSentError, match="407") as raised:
                await client.check()
    assert proxy.requests[0].startswith(b"CONNECT itop.invalid:443")
    assert base64.b64encode(b"me:pr0xy") in proxy.requests[0]
    assert "pr0xy" not in str(raised.value)


async def test_no_proxy_is_honoured(web_server, raw_server, monkeypatch):
    async with raw_server(b"") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with _connect(await web_server(Server())) as client:
            await client.check()
    assert proxy.requests == []


# the connection


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("https://itop.example", "https://itop.example/webservices/rest.php"),
        ("https://itop.example/", "https://itop.example/webservices/rest.php"),
        ("https://itop.example:8443/itop/", "https://itop.example:8443/itop/webservices/rest.php"),
        ("http://10.0.0.1/webservices/rest.php", "http://10.0.0.1/webservices/rest.php"),
        ("http://[::1]/web/webservices/rest.php/", "http://[::1]/web/webservices/rest.php"),
    ],
)
def test_the_endpoint_of_an_address(address, endpoint):
    assert Connection(address, "u", "p").endpoint == endpoint


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "itop.example"},
        {"address": "ftp://itop.example"},
        {"address": "https://"},
        {"address": "https://itop.example:port"},
        {"address": "https://[::1"},
        {"address": "https://u:s3cret@itop.example"},
        {"address": "https://itop.example/?auth_pwd=s3cret"},
        {"user": ""},
        {"password": ""},
        {"auth": "basic", "password": "s3cret:x"},
        {"auth": "token"},
        {"auth": "token", "token": "s3cret\r\nX: y"},
        {"auth": "token", "token": "s3crét"},
    ],
)
def test_an_unusable_connection_is_refused_without_showing_secrets(changes):
    with pytest.raises(ConfigurationError) as raised:
        Connection(**{"address": "https://itop.example", "user": "u", "password": "p"} | changes)
    assert len(raised.value.problems) == 1
    assert "s3cr" not in str(raised.value)


def test_secrets_are_not_shown():
    connection = Connection("https://itop.example", "bridge", "s3cret", token="s3cret")
    assert "s3cret" not in repr(connection)
    assert "s3cret" not in repr(Client(connection))
