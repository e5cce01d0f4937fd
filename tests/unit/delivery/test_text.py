from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from situation import NOW, backlog, case, facts, fires, opened

from itop_bridge.delivery.asset import Asset
from itop_bridge.delivery.text import Pen, cut_bytes, describe_scene
from itop_bridge.intent import Texts, Writing
from itop_bridge.triage.registry import load_registry, read_settings

FACTORY = load_registry([]).factories["incident-siem"]


def bundled_pen(**values):
    settings, problems = read_settings(FACTORY, values)
    assert not problems
    return Pen.of(FACTORY.describe_writing(settings))


def scene(owed=None, known=None, **settings):
    return describe_scene(known or case(), owed or backlog(fires(1)), settings, now=NOW, previous=None)


def test_the_title_begins_with_the_key_and_is_cut_to_255_bytes():
    title = bundled_pen().title(scene(backlog(fires(1, title="é" * 300))), "0a1b2c3d4e5f")
    assert title.startswith("[SIEM-0a1b2c3d4e5f] é")
    assert len(title.encode()) <= 255


def test_the_title_is_one_line():
    assert "\n" not in bundled_pen().title(scene(backlog(fires(1, title="a\nb\r\nc"))), "0")


@given(st.text(max_size=400), st.integers(4, 300))
def test_a_cut_text_fits_and_is_a_beginning(text, most):
    cut = cut_bytes(text, most)
    assert len(cut.encode("utf-8", "replace")) <= most
    assert cut == text or text.startswith(cut[:-1])


class Tags(HTMLParser):
    """The tags of a text, and what stands between them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add((tag, *attrs))

    def handle_data(self, data):
        self.text += data


@given(st.text(max_size=200))
def test_a_value_adds_no_tag_to_the_description(value):
    plain = Tags(bundled_pen().description(scene(backlog(fires(1, title="x", host="x", description="x")))))
    hostile = Tags(bundled_pen().description(scene(backlog(fires(1, title=value, host="x", description="x")))))
    assert hostile.tags == plain.tags
    assert value.split() == [] or "".join(value.split()) in "".join(hostile.text.split())


def test_html_in_an_alert_is_escaped():
    html = bundled_pen().description(scene(backlog(fires(1, title="<img src=x onerror=alert(1)>"))))
    assert "<img" not in html
    assert "&lt;img" in html


def test_the_log_ends_with_the_token():
    pen = bundled_pen()
    assert pen.log(pen.create_template, scene(), "0123456789abcdef").endswith("\n[sb:0123456789abcdef]")


def test_the_solution_is_one_plain_line_with_the_token():
    solution = bundled_pen().solution(scene(backlog(fires(1, title="a <b> & c\nd"))), "0123456789abcdef")
    assert not set(solution) & set("<>&\n")
    assert solution.endswith("[sb:0123456789abcdef]")


def test_a_description_too_long_for_itop_is_replaced():
    texts = Texts(title="t", description="x" * 61_000, create_log="c", append_log="a", resolve_log="r", solution="s")
    assert "too long" in Pen.of(Writing(texts=texts)).description(scene())


def test_a_log_entry_says_how_many_when_and_how_late():
    pen = bundled_pen()
    owed = backlog(*[fires(n, received=NOW - 3600 + n) for n in range(1, 31)])
    text = pen.log(pen.append_template, scene(owed, opened()), "0" * 16)
    assert "30 alerts, received" in text
    assert "59 minutes late" in text
    assert text.count("- Brute force") == 20


@pytest.mark.parametrize("value", ["{{7*7}}", "{% for x in y %}", "{# c #}", "${7*7}"])
def test_a_payload_is_never_a_template(value):
    pen = bundled_pen()
    written = scene(backlog(fires(1, title=value, host=value)))
    assert value in pen.title(written, "0")
    assert value in pen.log(pen.create_template, written, "0")


def test_the_scene_has_what_the_docs_say():
    assert set(scene()) == {"alert", "latest", "alerts", "case", "backlog", "ci", "settings"}
    assert scene()["alert"] == facts()


def test_a_description_names_the_ci_that_is_attached():
    attached = describe_scene(
        case(), backlog(fires(1)), {}, now=NOW, previous=None, asset=Asset(4, "Server", "srv<4>", "high")
    )
    assert "<td>srv&lt;4&gt; (Server, criticality high)</td>" in bundled_pen().description(attached)
    assert "<td>CI</td>" not in bundled_pen().description(scene())
