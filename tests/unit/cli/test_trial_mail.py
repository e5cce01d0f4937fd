import pytest
from postbox import serve_inbox

from itop_bridge.cli.main import main

CONFIG = """\
mqtt: {{host: localhost}}
itop: {{address: "https://itop.example", user: u, password: {{file: password}}}}
{mail}
routes:
  - {{name: wazuh, topic: t/wazuh, format: wazuh, factory: incident-siem, organization: EXC}}
  - {{name: other, topic: t/other, format: wazuh, factory: incident-siem, organization: EXC,
     mail: {{recipients: [a@example.com, gone@example.com], subject: "{{{{ kind }}}} of {{{{ items[0].route }}}}"}}}}
"""
MAIL = "mail: {{server: '127.0.0.1:{}', security: none, sender: b@example.com, recipients: [soc@example.com]}}"


@pytest.fixture
def run(tmp_path, capsys):
    def run(port, *words, mail=MAIL, options=()):
        (tmp_path / "password").write_text("x")
        (tmp_path / "password").chmod(0o600)
        path = tmp_path / "c.yaml"
        path.write_text(CONFIG.format(mail=mail.format(port)))
        code = main([*options, "test-mail", "-c", str(path), *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_one_mail_is_sent_as_the_daemon_would_and_its_readers_are_told(run):
    with serve_inbox() as (inbox, port):
        assert run(port) == (0, "soc@example.com: sent\n", "")
    ((_, mail),) = inbox.mails
    assert mail["Subject"].startswith("[itop-bridge] A test of the mail of itop-bridge on ")
    assert "A test, no alert" in mail.get_content()


def test_a_route_has_its_own_readers_and_templates_and_who_is_refused_is_told(run):
    with serve_inbox() as (inbox, port):
        inbox.refused["gone@example.com"] = "550 no such user"
        code, out, _ = run(port, "--route", "other")
    assert (code, out) == (1, "a@example.com: sent\ngone@example.com: 550 no such user\n")
    assert inbox.subjects == ["[itop-bridge] test of other"]


@pytest.mark.parametrize(("option", "code"), [("--dry-run", 0), ("--read-only", 1)])
def test_nothing_is_sent_where_nothing_may_be(run, option, code):
    with serve_inbox() as (inbox, port):
        ended, out, _ = run(port, options=(option,))
    assert (ended, "Subject: [itop-bridge] A test" in out) == (code, option == "--dry-run")
    assert inbox.mails == []


def test_a_server_that_is_not_there_a_route_that_is_not_there_and_no_mail_at_all_are_told(run):
    code, _, err = run(1)
    assert code == 1
    assert "the mail was not sent: 127.0.0.1:1" in err
    code, _, err = run(1, "--route", "none")
    assert (code, "there is no route 'none'; there are other, wazuh" in err) == (2, True)
    code, _, err = run(1, mail="mail:")
    assert (code, "there is no section mail" in err) == (78, True)


def test_a_dry_run_prints_the_mail_as_it_is_read(run):
    mail = MAIL[:-2] + ", text: 'Zugriff verweigert für {{{{ items[0].host }}}},'}}"
    code, out, _ = run(1, options=("--dry-run",), mail=mail)
    assert code == 0
    assert out.endswith("\n\nZugriff verweigert für srv-01,\n")
