import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.outline import load_outline
from itop_bridge.settings.place import Place


def load(tmp_path, text, **environ):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_outline(path, place=Place(tmp_path, environ))


def test_the_journal_and_the_routes_names_are_read(tmp_path):
    outline = load(tmp_path, "journal: {path: /x/j.db}\nroutes: [{name: a}, {name: b, topic: t}]\n")
    assert (str(outline.journal), outline.routes) == ("/x/j.db", ("a", "b"))


def test_the_route_of_own_incidents_is_one_where_there_are_any(tmp_path):
    assert load(tmp_path, "own_incidents: {}\nroutes: [{name: a}]\n").routes == ("a", "own-incidents")
    assert load(tmp_path, "own_incidents:\nroutes: [{name: a}]\n").routes == ("a",)


def test_the_journal_has_its_usual_place(tmp_path):
    assert load(tmp_path, "routes: []\n", STATE_DIRECTORY="/s").journal.as_posix() == "/s/journal.db"
    assert load(tmp_path, "journal:\n", STATE_DIRECTORY="/s").journal.as_posix() == "/s/journal.db"


def test_nothing_else_is_looked_into(tmp_path):
    text = "mqtt: {password: {file: not-there}}\nitop: {password: {file: not-there}}\nrouts: 7\nroutes: {}\n"
    assert load(tmp_path, text).routes == ()


def test_what_is_wrong_is_told_with_its_place(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "journal:\n  path: j.db\n  keeep: 5d\n")
    assert caught.value.problems == [f"{tmp_path}/c.yaml:3:3: journal.keeep: unknown key; did you mean keep?"]


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_outline(tmp_path / "c.yaml")
