import contextlib
import datetime
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_bridge.alert import Alert, Severity, State
from itop_bridge.errors import ExpressionError
from itop_bridge.expression import compile_condition, compile_expression, compile_text
from itop_bridge.expression.template import TEXT_NAMES

NOW = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC)
ALERT = Alert(
    event_id=1,
    index=0,
    format="wazuh",
    id="1",
    title="<b>{{ 7*7 }}</b>",
    severity=Severity.HIGH,
    state=State.FIRING,
    one_shot=True,
    time=NOW,
    received=NOW,
    observables={"mitre": ("T1110",)},
    notes=(),
    content_hash="0",
    raw=None,
)
RAW = {"items": [1, 2], "keys": "k", "level": 7, "text": "7", "null": None, "tags": ["a", "b"], "__class__": "mine"}
SCENE = {"alert": ALERT, "raw": RAW, "topic": {"org": "EXC"}}


def evaluate(text):
    return compile_expression(text)(SCENE)


def render(source, *, html=False, max_chars=1000, **names):
    return compile_text(source, html=html, max_chars=max_chars, names=(*TEXT_NAMES, "raw"))({**SCENE, **names})


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("alert.severity >= 'medium'", True),
        ("'medium' <= alert.severity", True),
        ("alert.severity >= 'critical'", False),
        ("alert.severity < 'critical'", True),
        ("'low' < alert.severity < 'critical'", True),
        ("alert.severity in ['high', 'critical']", True),
        ("alert.severity == 'high' and topic.org == 'EXC'", True),
        ("alert.state == 'firing'", True),
        ("raw.level >= 7", True),
        ("'a' in raw.tags", True),
        ("alert.title.startswith('<b>')", True),
        ("alert.observables.mitre[0] == 'T1110'", True),
        ("alert.time.hour == 8", True),
    ],
)
def test_conditions(condition, holds):
    assert compile_condition(condition)(SCENE) is holds


@pytest.mark.parametrize(
    "condition",
    [
        "raw.nope > 1",
        "raw.nope <= 1",
        "1 < raw.nope",
        "raw.nope == 'x'",
        "raw.null >= 5",
        "raw.a.b.c",
        "raw.tags[7] == 'a'",
        "alert.host == 'web'",
        "alert.host.startswith('web')",
        "alert.host.upper().lower()",
        "'x' in raw.nope",
        "raw.nope * 2 + 1 > 0",
        "raw.nope in ['a', '']",
    ],
)
def test_what_is_missing_or_null_makes_no_comparison_hold(condition):
    assert compile_condition(condition)(SCENE) is False


def test_missing_is_none():
    assert evaluate("raw.nope") is None
    assert evaluate("raw.null") is None
    assert evaluate("raw.nope == none") is True
    assert evaluate("alert.host is none") is True
    assert evaluate("alert.host is defined") is False
    assert evaluate("'x' if raw.nope") is None
    assert render("[{{ 'x' if raw.nope }}]") == "[]"


def test_attributes_of_an_object_are_its_items_and_never_methods():
    assert evaluate("raw.items") == [1, 2]
    assert evaluate("raw.keys") == "k"
    assert evaluate("raw.values") is None
    assert evaluate("raw.get") is None
    assert evaluate("raw['items'][1]") == 2
    assert evaluate("raw.__class__") == "mine"


@pytest.mark.parametrize(
    "text", ["alert.title.__class__", "''.__class__", "raw.tags.append", "alert.time.__reduce__", "raw.level.real"]
)
def test_nothing_of_python_is_in_reach(text):
    assert evaluate(text) is None


def test_a_payload_is_never_compiled():
    assert render("{{ alert.title }}") == "<b>{{ 7*7 }}</b>"
    assert render("{{ raw }}", raw={"a": "{{ 7*7 }}{% for x in y %}"}) == '{"a":"{{ 7*7 }}{% for x in y %}"}'
    assert evaluate("alert.title ~ '{{ 1 }}'") == "<b>{{ 7*7 }}</b>{{ 1 }}"


@pytest.mark.parametrize(
    "text", ["1/0", "raw.level >= 'a'", "raw.text > 5", "raw.level | length", "raw.level()", "raw.tags | sort(1, 2, 3)"]
)
def test_what_cannot_be_evaluated_is_an_error_of_ours(text):
    with pytest.raises(ExpressionError):
        evaluate(text)


@pytest.mark.parametrize(
    "text", ["", "(1", "1 1", "a b", "{{ alert.title }}", "(" * 5000, "not " * 5000 + "1", "x" * 200_000, "'"]
)
def test_what_is_no_expression_is_an_error_at_load(text):
    with pytest.raises(ExpressionError):
        compile_expression(text)


def test_missing_values_are_empty_in_a_text():
    assert render("[{{ alert.host }}{{ raw.a.b }}{{ case.ref }}{{ raw.null }}]") == "[]"
    assert render("{{ alert.host | default('unknown') }}") == "unknown"


def test_values_are_escaped_in_html_and_cannot_be_marked_safe():
    assert render("<p>{{ alert.title }}</p>", html=True) == "<p>&lt;b&gt;{{ 7*7 }}&lt;/b&gt;</p>"
    assert render("{{ '<i>' ~ alert.title }}", html=True).startswith("&lt;i&gt;")
    assert render("{{ [alert.title] | join('<br>') }}", html=True) == "&lt;b&gt;{{ 7*7 }}&lt;/b&gt;"
    assert render("{{ raw.q }}", html=True, raw={"q": "\"'&"}) == "&#34;&#39;&amp;"


def test_loops_and_what_is_set():
    each = "{{ loop.index }}/{{ loop.length }} {{ a.host }}{% if not loop.last %}, {% endif %}"
    source = "{% set n = 3 %}{% for a in alerts %}" + each + "{% endfor %} {{ n }}"
    assert render(source, alerts=[{"host": "a"}, {"host": "b"}]) == "1/2 a, 2/2 b 3"


def test_severities_of_a_text_have_their_order_too():
    source = "{% for a in alerts if a.severity >= 'medium' %}{{ a.severity }} {% endfor %}"
    assert render(source, alerts=[{"severity": "low"}, {"severity": "critical"}]) == "critical "


def test_a_plain_text_is_cut():
    assert render("{{ raw.t }}", max_chars=10, raw={"t": "x" * 100}) == "x" * 9 + "…"
    assert render("x" * 10, max_chars=10) == "x" * 10


def test_html_is_cut_in_its_values_so_that_its_tags_stay_whole():
    source = "<ul>{% for a in alerts %}<li>{{ a }}</li>{% endfor %}</ul>"
    text = render(source, html=True, max_chars=300, alerts=["<&>" * 20] * 50)
    assert len(text) <= 300
    assert text.endswith("…</li></ul>")
    assert text.count("<li>") == text.count("</li>")
    assert not text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").count("&")


def test_loops_cannot_go_round_for_ever():
    source = "{% for a in alerts %}{% for b in alerts %}{% for c in alerts %}{% endfor %}{% endfor %}{% endfor %}"
    with pytest.raises(ExpressionError, match="more than 10000 times"):
        render(source, alerts=list(range(100)))


def test_a_loop_ends_when_the_text_is_full():
    alerts = iter(range(10**9))
    assert len(render("{% for a in alerts %}{{ a }}{% endfor %}", max_chars=50, alerts=alerts)) == 50
    assert next(alerts) < 100


def test_texts_cannot_double_for_ever():
    with pytest.raises(ExpressionError, match="at most 100000"):
        render("{% set a = 'xxxxxxxxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}")


@pytest.mark.parametrize(
    "bomb", ["'a' * 2000000000", "2000000000 * [1]", "'%999999999d' % 1", "9 * 9 * 4611686018427387904"]
)
def test_bombs_are_refused_before_they_take_memory(bomb):
    with pytest.raises(ExpressionError):
        render(f"{{{{ {bomb} }}}}")


def test_one_rendering_leaves_nothing_to_the_next():
    text = compile_text("{% set x = alert.id %}{{ x }}{{ alerts | length }}", html=False, max_chars=50)
    assert text({**SCENE, "alerts": [1]}) == text({**SCENE, "alerts": [1]}) == "11"


class Spied(Mapping):
    """A scene that nothing may change."""

    def __init__(self, data):
        self._data = data

    def __getitem__(self, key):
        return self._data[key]

    def __iter__(self):
        return iter(self._data)

    def __len__(self):
        return len(self._data)


def test_any_mapping_is_a_scene():
    assert compile_expression("raw.level")(Spied(SCENE)) == 7
    assert compile_text("{{ raw.level }}", html=True, max_chars=9, names=("raw",))(Spied(SCENE)) == "7"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_no_payload_breaks_out_of_html(value):
    text = render("<p title='{{ raw }}'>{{ raw.a }}</p>", html=True, raw=value)
    inside = text.removeprefix("<p title='").removesuffix("</p>").replace("'>", "", 1)
    assert not set(inside) & set("<>\"'")


@given(JSON)
def test_no_payload_raises_anything_but_our_error(value):
    condition = compile_condition("raw.a > 5 or raw[0] == 'x' or 'y' in raw.b or raw.c | length > 3")
    with contextlib.suppress(ExpressionError):
        assert condition({"raw": value}) in (True, False)
