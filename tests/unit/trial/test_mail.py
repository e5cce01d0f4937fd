from postbox import Inbox, certificate, free_port, serve_inbox, tls_context  # noqa: F401 - certificate is a fixture

from itop_bridge.settings.mail import Mail
from itop_bridge.trial.finding import Verdict
from itop_bridge.trial.mail import examine_mail


async def examine(port, **changes):
    section = {
        "server": f"127.0.0.1:{port}",
        "security": "none",
        "sender": "b@example.com",
        "recipients": ["soc@example.com"],
        **changes,
    }
    found = await examine_mail(Mail.model_validate(section), "c.yaml:{}".format)
    return found.verdict, found.place, found.text


async def test_the_server_is_visited_and_gets_no_mail():
    with serve_inbox() as (inbox, port):
        verdict, place, text = await examine(port)
    assert (verdict, place) == (Verdict.OK, "c.yaml:mail.server")
    assert text == f"mail: connected at 127.0.0.1:{port}; test-mail sends one"
    assert inbox.mails == []


async def test_a_login_that_is_refused_is_wrong(certificate):  # noqa: F811 - the fixture
    inbox = Inbox()
    options = {"tls_context": tls_context(certificate), "require_starttls": True, "authenticator": inbox.authenticate}
    secure = {"security": "starttls", "ca_file": str(certificate / "cert.pem"), "user": "bridge"}
    with serve_inbox(inbox, **options) as (_, port):
        assert (await examine(port, password="s3cret", **secure))[0] is Verdict.OK
        verdict, place, text = await examine(port, password="wr0ng", **secure)
    assert (verdict, place) == (Verdict.WRONG, "c.yaml:mail.user")
    assert "wr0ng" not in text
    assert text.startswith(f"mail.user: login refused: 127.0.0.1:{port}: 535 ")


async def test_a_server_that_is_not_there_is_unreached():
    port = free_port()
    verdict, place, text = await examine(port)
    assert (verdict, place) == (Verdict.UNREACHED, "c.yaml:mail.server")
    assert text == f"mail.server: 127.0.0.1:{port}: Connection refused"
