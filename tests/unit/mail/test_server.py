"""Sending, through a real mail server."""

import asyncio
import base64
import datetime

import pytest
from postbox import Inbox, certificate, free_port, serve_inbox, tls_context  # noqa: F401 - certificate is a fixture

from itop_bridge.log import chain_of
from itop_bridge.mail.message import Draft, write_message
from itop_bridge.mail.server import Login, MailError, MailServer, log_in, send_message

NOW = datetime.datetime(2026, 11, 24, 10, 0, tzinfo=datetime.UTC)
SENDER = "bridge@example.com"


async def send(port, *recipients, **options):
    to = recipients or ("soc@example.com",)
    server = MailServer("127.0.0.1", port, **{"security": "none", **options})
    return await send_message(server, write_message(Draft("s", "t", SENDER, to), NOW), SENDER, to)


async def test_everyone_gets_the_mail():
    with serve_inbox() as (inbox, port):
        assert await send(port, "a@example.com", "b@example.com") == {}
    ((envelope, _),) = inbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, ["a@example.com", "b@example.com"])


async def test_starttls_is_used_and_the_server_verified(certificate):  # noqa: F811 - the fixture
    with serve_inbox(tls_context=tls_context(certificate), require_starttls=True) as (inbox, port):
        with pytest.raises(MailError, match="certificate") as caught:
            await send(port, security="starttls")
        assert caught.value.reason == "unreachable"
        assert inbox.mails == []
        await send(port, security="starttls", ca_file=certificate / "cert.pem")
        assert len(inbox.mails) == 1


async def test_a_server_without_starttls_gets_no_mail_that_wants_it():
    with serve_inbox() as (inbox, port):
        with pytest.raises(MailError, match="STARTTLS"):
            await send(port, security="starttls")
        assert inbox.mails == []


async def test_tls_from_the_start(certificate):  # noqa: F811 - the fixture
    # aiosmtpd's controller asks itself whether it runs, which takes a context that trusts it
    context = tls_context(certificate)
    with serve_inbox(ssl_context=context) as (inbox, port):
        await send(port, security="tls", ca_file=certificate / "cert.pem")
        with pytest.raises(MailError):
            await send(port, security="none", patience_s=0.1)
        assert len(inbox.mails) == 1


async def test_it_logs_in_over_tls(certificate):  # noqa: F811 - the fixture
    inbox = Inbox()
    options = {"tls_context": tls_context(certificate), "require_starttls": True, "auth_required": True}
    secure = {"security": "starttls", "ca_file": certificate / "cert.pem"}
    with serve_inbox(inbox, authenticator=inbox.authenticate, **options) as (_, port):
        await send(port, login=Login("bridge", "s3cret"), **secure)
        assert inbox.logins == [("bridge", "s3cret")]
        with pytest.raises(MailError) as caught:
            await send(port, login=Login("bridge", "wr0ng"), **secure)
        assert caught.value.reason == "login_refused"
        assert "wr0ng" not in repr(caught.value)
        await log_in(MailServer("127.0.0.1", port, login=Login("bridge", "s3cret"), **secure))
    assert len(inbox.mails) == 1


async def test_a_refused_recipient_is_told_and_the_others_get_it():
    with serve_inbox() as (inbox, port):
        inbox.refused["gone@example.com"] = "550 no such user"
        refused = await send(port, "gone@example.com", "soc@example.com")
    assert refused == {"gone@example.com": "550 no such user"}
    assert inbox.mails[0][0].rcpt_tos == ["soc@example.com"]


@pytest.mark.parametrize(
    ("answer", "reason"), [("550 no such user", "recipients_refused"), ("451 greylisted", "deferred")]
)
async def test_without_any_recipient_left_it_fails(answer, reason):
    with serve_inbox() as (inbox, port):
        inbox.refused["soc@example.com"] = answer
        with pytest.raises(MailError, match=f"soc@example.com: {answer}") as caught:
            await send(port)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("answer", "reason"), [("554 spam", "refused"), ("452 full", "deferred")])
async def test_a_mail_may_be_refused_for_itself(answer, reason):
    with serve_inbox() as (inbox, port):
        inbox.answer = answer
        with pytest.raises(MailError, match=answer) as caught:
            await send(port)
    assert caught.value.reason == reason


async def test_a_server_that_hangs_is_given_up():
    with serve_inbox() as (inbox, port):
        inbox.hangs = True
        with pytest.raises(MailError) as caught:
            await send(port, patience_s=0.1)
    assert caught.value.reason == "unreachable"


async def test_a_server_that_is_not_there_is_told():
    with pytest.raises(MailError, match=r"the mail was not sent: 127\.0\.0\.1:\d+: ") as caught:
        await send(free_port())
    assert caught.value.reason == "unreachable"


async def test_authorities_that_are_none_are_told(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(MailError):
        await send(1, security="tls", ca_file=tmp_path / "ca.pem")


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
async def test_the_password_is_not_told_by_a_server_that_repeats_what_it_gets(method):
    async def repeat(reader, writer):
        writer.write(b"220 hello\r\n")
        while line := (await reader.readline()).strip():
            if line.startswith(b"EHLO"):
                writer.write(f"250-hello\r\n250 AUTH {method}\r\n".encode())
            else:
                code = b"334" if line.startswith(b"AUTH LOGIN") else b"535"
                writer.write(code + b" what is " + b"x" * 250 + b" '" + line + b"'?\r\n")
        writer.close()

    login = Login("bridge", "s3cret of many letters")
    async with await asyncio.start_server(repeat, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(MailError, match="535 what is") as caught:
            await log_in(MailServer("127.0.0.1", port, "none", login=login))
    assert caught.value.reason == "login_refused"
    told = [str(each) for each in chain_of(caught.value)]
    for secret in (login.password, f"\0{login.user}\0{login.password}"):
        assert not any(base64.b64encode(secret.encode()).decode()[:8] in each for each in told)


def test_the_password_is_in_no_text():
    server = MailServer("mail.example", 587, login=Login("bridge", "s3cret"))
    assert "s3cret" not in f"{server!r} {server}"
