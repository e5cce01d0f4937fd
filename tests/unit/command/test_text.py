import pytest

from itop_bridge.command.text import Entry, clean_html, cut_title, plain_line, strip_tags

TOKEN = "0123456789abcdef"


def test_a_title_that_fits_stays_on_one_line():
    assert cut_title("  SOC-EXC-SIEM-011\n a\tb\x00\x07 ") == "SOC-EXC-SIEM-011 a b"


def test_a_long_title_is_cut_at_a_word():
    title = "Brute force " * 25
    assert len(title) == 300
    cut = cut_title(title)
    assert cut.endswith(("Brute…", "force…"))
    assert 240 < len(cut.encode()) <= 255
    assert cut_title(cut) == cut


@pytest.mark.parametrize("title", ["x" * 300, "漢" * 100, "é" * 300, "a " + "x" * 400])
def test_a_title_is_cut_by_bytes(title):
    cut = cut_title(title)
    assert cut.endswith("…")
    assert 200 < len(cut.encode()) <= 255


def test_a_solution_is_one_line_that_is_no_html():
    assert plain_line("fixed <b>\n & closed\x00") == "fixed (b) + closed"


def test_plain_text_is_kept_as_it_is():
    entry = Entry("from <SRC_IP> & <b>\n  second")
    assert entry.describe(TOKEN) == {
        "add_item": {"message": f"from <SRC_IP> & <b>\n  second\n[sb:{TOKEN}]", "format": "text"}
    }


def test_html_is_made_safe_and_closed():
    item = Entry('<b>bold<script>alert(1)</script> <a href="javascript:x">l</a>\nend', is_html=True).describe(TOKEN)
    message = item["add_item"]["message"]
    assert item["add_item"]["format"] == "html"
    assert message.endswith(f"<p>[sb:{TOKEN}]</p>")
    assert message.startswith("<b>bold ")
    assert "</b>" in message
    assert "<br>\nend" in message
    for bad in ("script", "javascript"):
        assert bad not in message


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<p>a &amp; b</p>", "<p>a &amp; b</p>"),
        ("<foo>a</foo>", "a"),
        ("<img src=x onerror=y>", ""),
        ("1 < 2", "1 &lt; 2"),
        ("<SRC_IP>", ""),
        ("<style>p{}</style>x", "x"),
    ],
)
def test_only_basic_html_is_left(html, clean):
    assert clean_html(html) == clean


def test_what_a_person_reads_of_html():
    assert strip_tags("<b>a</b> &amp; <i>b</i>") == "a & b"


def test_only_lines_that_are_not_held_are_new():
    entry = Entry("first\nsecond (.*)\n  third\nfirst")
    assert entry.only_new(["first\nother", "second x"]).text == "second (.*)\n  third"
    assert not entry.only_new(["first", "second (.*)", "third"])


def test_a_held_text_is_no_regular_expression():
    assert Entry("1.2.3.4").only_new(["1x2x3x4"]).text == "1.2.3.4"
    assert Entry("a[").only_new(["a["]).text == ""


def test_html_lines_are_compared_by_what_a_person_reads():
    assert Entry("<b>first</b>\n<i>new</i>", is_html=True).only_new(["first"]) == Entry("<i>new</i>", is_html=True)


def test_an_entry_of_nothing_is_none():
    assert not Entry(" \n ")
    assert Entry("x")


def test_a_very_long_entry_is_cut():
    assert len(Entry("x" * 1_000_000).describe(TOKEN)["add_item"]["message"]) < 201_000
