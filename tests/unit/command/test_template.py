import pytest

from itop_bridge.bundled import bundled_folder
from itop_bridge.command.template import describe_incident, load_template
from itop_bridge.errors import UsageError

GIVEN = {
    "source_ip": "1.2.3.4",
    "signatures": "sig1,sig2, <sig3>",
    "dest_ip": "4.3.2.1",
    "time": "now",
    "username": "Someone",
    "comment": "<SRC_IP> & <script>",
    "case_name": "SOC-EXC-SIEM-011",
}


def describe(source, variables=None, title="t", urgency=1):
    return describe_incident(source, variables or {}, title=title, urgency=urgency)


def bundled():
    return load_template(bundled_folder("factories") / "static" / "incident_siem_case.html")


def test_the_bundled_template_shows_what_the_older_tool_showed():
    html = describe(bundled(), GIVEN).html
    for shown in ("1.2.3.4", "4.3.2.1", "now", "Someone", "SOC-EXC-SIEM-011", "<li>sig1</li>", "<li>sig2</li>"):
        assert shown in html
    assert "<li>&lt;sig3&gt;</li>" in html
    assert "&lt;SRC_IP&gt; &amp; &lt;script&gt;" in html


def test_a_variable_that_is_missing_is_named():
    given = {name: value for name, value in GIVEN.items() if name not in ("time", "comment")}
    with pytest.raises(UsageError, match=r"wants comment, time: give comment:… time:… with --vars"):
        describe(bundled(), given)


@pytest.mark.parametrize(
    "source",
    [
        "{% if host is defined %}{{ host }}{% endif %}",
        "{{ host | default('-') }}",
        "{% if host is defined %}x{% else %}-{% endif %}",
    ],
)
def test_a_variable_that_the_template_does_without_may_be_missing(source):
    assert describe(source).html in ("", "-")
    assert describe(source, {"host": "srv"}).html in ("srv", "x")


def test_title_and_urgency_are_known():
    assert describe("{{ title }} {{ urgency }}", title="a<b", urgency=3).html == "a&lt;b 3"


def test_a_variable_that_is_not_used_is_told():
    assert describe("{{ a }}", {"a": "1", "b": "2"}).remarks == ("the template does not use b",)


def test_a_template_is_never_made_of_a_value():
    assert describe("{{ a }}", {"a": "{{ 7 * 7 }}"}).html == "{{ 7 * 7 }}"


@pytest.mark.parametrize("source", ["{{ a", "{% for %}", "{{ ''.__class__ }}{{ x.y() }}", "{{ a | nofilter }}"])
def test_a_template_that_is_not_usable_is_told(source):
    with pytest.raises(UsageError, match="template"):
        describe(source, {"a": "1", "x": "2"})


def test_a_long_title_stands_whole_above():
    title = "Brute force <x> " * 20
    described = describe("<p>d</p>", title=title)
    assert described.html == f"<p>{title.strip().replace('<x>', '&lt;x&gt;')}</p>\n<p>d</p>"
    assert "the title is too long" in described.remarks[0]


@pytest.mark.parametrize("mark", ["x", "<", "漢"])
def test_a_description_that_is_too_long_is_cut_with_its_tags_whole(mark):
    described = describe("<p>{{ a }}</p><p>{{ b }}</p>", {"a": mark * 100_000, "b": "last"})
    assert len(described.html.encode()) <= 60_000
    assert described.html.count("<p>") == described.html.count("</p>") == 2
    assert "description is too long" in described.remarks[0]


def test_a_template_that_is_too_long_itself_is_told():
    with pytest.raises(UsageError, match="itself is longer"):
        describe("x" * 70_000)


def test_a_template_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_template(tmp_path / "none.html")
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not text in UTF-8"):
        load_template(tmp_path / "x")
