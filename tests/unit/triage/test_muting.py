from itop_bridge.settings.inhibition import Inhibition
from itop_bridge.settings.silence import RouteSilence, Silence
from itop_bridge.triage.muting import choose_silences, compile_rules, compile_silences


def test_a_silence_is_for_its_routes_or_for_all():
    one = Silence.model_validate({"name": "one", "routes": ["a", "b"]})
    all_ = Silence.model_validate({"matchers": {"host": "db1"}})
    compiled = compile_silences("silences", [one, all_], lambda path, text: None)
    assert [silence.name for silence in choose_silences(compiled, "a")] == ["one", "silences[1]"]
    assert [silence.name for silence in choose_silences(compiled, "c")] == ["silences[1]"]


def test_every_mistake_is_told_with_its_path():
    problems = []
    wrong = RouteSilence.model_validate({"matchers": {"hots": "db1", "host": "x"}, "when": "alert.hots"})
    compile_silences("routes[0].silences", [wrong], lambda path, text: problems.append(path))
    rule = {"source": {"matchers": {"ruel": 1}}, "target": {"when": "raw.x +"}, "equal": ["hots"]}
    compile_rules([Inhibition.model_validate(rule)], lambda path, text: problems.append(path))
    assert problems == [
        "routes[0].silences[0].matchers.hots",
        "routes[0].silences[0].when",
        "inhibit[0].source.matchers.ruel",
        "inhibit[0].target.when",
        "inhibit[0].equal",
    ]
