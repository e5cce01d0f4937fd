import pytest

from itop_bridge.errors import ExpressionError
from itop_bridge.expression import compile_condition, compile_expression, compile_text


def refused(source):
    with pytest.raises(ExpressionError) as caught:
        compile_text(source, html=False, max_chars=100, names=("alert", "alerts", "raw"))
    return str(caught.value)


@pytest.mark.parametrize(
    "condition",
    [
        "alert.severity >= 'hihg'",
        "'hihg' <= alert.severity",
        "alert.severity == 'hihg'",
        "alert['severity'] == 'hihg'",
        "alert.severity in ['low', 'hihg']",
        "alert.severity not in ('hihg',)",
        "'low' < alert.severity <= 'hihg'",
        "topic.org == 'x' and not alert.severity > 'hihg'",
    ],
)
def test_an_unknown_severity_is_an_error_at_load(condition):
    with pytest.raises(ExpressionError, match="'hihg' is no severity; did you mean high"):
        compile_condition(condition)


@pytest.mark.parametrize("condition", ["alert.severity >= 4", "alert.severity >= 'High'", "alert.severity == true"])
def test_a_severity_is_compared_with_names_only(condition):
    with pytest.raises(ExpressionError, match="is no severity"):
        compile_condition(condition)


@pytest.mark.parametrize("condition", ["raw.severity >= 'high'", "'low' < raw.alert.level", "raw['sev'] > 'medium'"])
def test_a_payloads_own_severity_has_no_order(condition):
    with pytest.raises(ExpressionError, match=r"has no order; use alert\.severity"):
        compile_condition(condition)


@pytest.mark.parametrize("condition", ["raw.severity == 'whatever'", "raw.severity >= 5", "alert.severity != none"])
def test_other_comparisons_are_left_alone(condition):
    compile_condition(condition)


def test_a_severity_in_a_loop_is_checked_too():
    assert "'hihg'" in refused("{% for a in alerts if a.severity >= 'hihg' %}{% endfor %}")


def test_an_unknown_name_is_an_error_at_load_with_its_line():
    assert refused("a\nb\n{{ alrt.title }}") == "line 3: 'alrt' is not known here; did you mean alert?"
    with pytest.raises(ExpressionError, match="'case' is not known here; there are alert, raw, topic"):
        compile_expression("case.ref")


def test_an_unknown_field_of_the_alert_is_an_error_at_load():
    assert "an alert has no 'hots'; did you mean host?" in refused("{{ alert.hots }}")


@pytest.mark.parametrize(
    "name", ["self", "super", "caller", "_budget", "__builtins__", "range", "lipsum", "namespace", "loop"]
)
def test_nothing_is_known_but_what_the_scene_gives(name):
    assert "not known" in refused(f"{{{{ {name} }}}}") or "not allowed" in refused(f"{{{{ {name} }}}}")


@pytest.mark.parametrize(
    "source",
    [
        "{% macro m() %}{% endmacro %}",
        "{% call x() %}{% endcall %}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% set x %}y{% endset %}",
        "{% set alert.title = 1 %}",
        "{% filter upper %}{% endfilter %}",
        "{% with x = 1 %}{% endwith %}",
        "{% autoescape false %}{% endautoescape %}",
        "{% for x in alerts recursive %}{% endfor %}",
        "{% set raw = 1 %}",
        "{{ 2 ** 9 }}",
        "{{ 99999999999999999999 }}",
    ],
)
def test_statements_that_are_not_needed_are_refused(source):
    assert (
        "not allowed" in refused(source)
        or "cannot" in refused(source)
        or "64 bits" in refused(source)
        or "write" in refused(source)
    )


@pytest.mark.parametrize(
    "call",
    [
        "alert.title.format(1)",
        "alert.title.center(9)",
        "alert.title.encode()",
        "raw.items()",
        "raw['a']()",
        "alert()",
        "''.join([])",
    ],
)
def test_only_listed_methods_can_be_called(call):
    assert "cannot be called" in refused(f"{{{{ {call} }}}}")


@pytest.mark.parametrize(
    "name", ["safe", "center", "format", "indent", "tojson", "map", "attr", "wordwrap", "xmlattr", "batch"]
)
def test_only_listed_filters_exist(name):
    assert f"No filter named '{name}'. The filters are count," in refused(f"{{{{ alert.title | {name} }}}}")


def test_only_listed_tests_exist():
    assert "The tests are boolean," in refused("{{ alert.title is callable }}")


def test_every_fault_is_told_at_once():
    text = refused("{{ alert.hots }}\n{{ 2 ** 3 }}")
    assert "hots" in text
    assert "line 2: **" in text
