import datetime
from email import policy
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.mail.message import Draft, disarm, one_line, write_message

NOW = datetime.datetime(2026, 11, 24, 10, 0, tzinfo=datetime.UTC)
HOSTILE = "Pwned\r\nBcc: x@evil.example\r\n\r\n<script>\u202egpj.exe\x1b[2J\x00\ud800"


def write(subject="s", text="t", **changes):
    draft = Draft(subject, text, "bridge@example.com", ["soc@example.com", "ops@example.com"], **changes)
    return write_message(draft, NOW)


def read(message):
    return BytesParser(policy=policy.default).parsebytes(message.as_bytes(policy=policy.SMTP))


def test_a_subject_makes_no_header_and_the_text_no_part():
    mail = read(write(HOSTILE, HOSTILE))
    assert set(mail.keys()) == {
        *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }
    assert mail["Subject"] == "Pwned Bcc: x@evil.example <script>gpj.exe[2J"
    assert mail.get_content_type() == "text/plain"
    assert "<script>gpj.exe[2J" in mail.get_content()


@pytest.mark.parametrize(
    "word",
    [
        "=?utf-8?Q?x=0D=0ABcc:_evil=40evil.example?=",
        "=?utf-8?Q?=0A=0A<b>a_text_of_its_own?=",
        "=\u200b?utf-8?B?aHR0cHM6Ly9ldmlsLmV4YW1wbGU=?=",
        "=?utf-8?Q?=1B[2J?=",
    ],
)
def test_an_encoded_word_in_a_subject_is_not_decoded(word):
    mail = read(write(f"INC-1: {word}"))
    assert mail["Subject"] == f"INC-1: {word}".replace("\u200b", "").replace("=?", "= ?")
    assert mail["Bcc"] is None
    assert mail.get_content().strip() == "t"


@given(st.text(st.sampled_from("=?utf-8QB_ 0AD\n\u200b\u00e9"), max_size=60) | st.text(max_size=400))
def test_whatever_stands_in_a_subject_is_read_back_as_one_bounded_line(text):
    mail = read(write(text, text))
    assert mail["To"] == "soc@example.com, ops@example.com"
    assert len(mail["Subject"] or "") <= 200
    assert "\n" not in (mail["Subject"] or "")


def test_a_long_subject_of_other_letters_is_whole():
    assert read(write("Zugriff verweigert für Müller 漢 " * 5))["Subject"].count("Müller") == 5


def test_nobody_answers_it_by_itself():
    assert write()["Auto-Submitted"] == "auto-generated"


def test_mails_about_the_same_are_one_thread_and_each_has_an_id_of_its_own():
    one, other = write(thread="case-abc"), write(thread="case-abc")
    assert one["References"] == other["References"] == one["In-Reply-To"] == "<case-abc.itop-bridge@example.com>"
    assert one["Message-ID"] != other["Message-ID"]
    assert "References" not in write()


def test_html_is_an_alternative_to_the_text():
    mail = read(write(html="<p>t</p>"))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("http://evil.example/x", "hxxp[:]//evil[.]example/x"),
        ("ht\u200btp://evil.ex\u200bample", "hxxp[:]//evil[.]example"),
        ("www.evil.example", "www[.]evil[.]example"),
        ("mail a@evil.example", "mail a@evil[.]example"),
        ("steam://run/1", "steam[:]//run/1"),
        ("192.0.2.1 and 2001:db8::1", "192[.]0[.]2[.]1 and 2001[:]db8[:][:]1"),
        ("a\tb\r\n\r\n  c\x1b[2J", "a b\nc[2J"),
        ("x" * 20, "xxxxxxxxxx…"),
    ],
)
def test_what_an_outsider_wrote_is_no_link_and_no_command(text, harmless):
    assert disarm(text, 10 if text.startswith("xxx") else 100) == harmless


def test_a_line_is_cut_where_it_is_too_long():
    assert one_line("a b\nc d", 6) == "a b c…"


@pytest.mark.parametrize("length", [60, 69, 70, 77, 78, 100, 200])
def test_a_subject_begins_on_its_own_line(length):
    subject = "word " * (length // 5) + "x" * (length % 5)
    sent = write(subject).as_bytes(policy=policy.SMTP)
    assert f"Subject: {subject.strip()}\r\n".encode() in sent
