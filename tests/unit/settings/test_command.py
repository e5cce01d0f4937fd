"""What the command line and the library read of a configuration."""

import pytest

from itop_bridge.errors import ConfigurationError
from itop_bridge.settings.load import load_command_settings

ITOP = 'itop: {address: "https://itop.example", user: analyst, password: {env: PW}}\n'


@pytest.fixture
def load(tmp_path):
    def load(text, **environ):
        (tmp_path / "x.yaml").write_text(text)
        return load_command_settings(tmp_path / "x.yaml", environ={"PW": "hunter2", **environ})

    return load


def test_the_sections_of_the_daemon_are_not_looked_into(load):
    settings = load(ITOP + "mqtt: {password: {file: not-there}, nonsense: 1}\nroutes: 7\n")
    assert settings.itop.user == "analyst"
    assert (settings.commands.lock_folder, settings.commands.settings, settings.factories) == (None, {}, ())


def test_a_section_that_is_empty_is_at_its_defaults(load):
    assert load(ITOP + "commands:\n").commands.settings == {}


def test_folders_are_relative_to_the_file(load, tmp_path):
    (tmp_path / "own").mkdir()
    settings = load(ITOP + "commands: {lock_folder: locks}\nfactories: [own]\n")
    assert settings.commands.lock_folder == tmp_path / "locks"
    assert settings.factories == (tmp_path / "own",)
    assert str(load(ITOP + "commands: {lock_folder: /run/x}\n").commands.lock_folder) == "/run/x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("commands: {}", "itop: missing"),
        (ITOP + "comands: {}", "2:1: comands: unknown key; did you mean commands?"),
        (ITOP + "commands: {lock_foldr: x}", "did you mean lock_folder?"),
        (ITOP + "commands: {lock_folder: 3}", "must be the name of a folder"),
        (ITOP + "commands: {settings: [a]}", "commands.settings: must be a section"),
        (ITOP + "factories: [none]", "no such folder"),
        (ITOP + "a: [", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(load, text, told):
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    assert told in str(caught.value)


def test_every_problem_is_told_at_once(load):
    with pytest.raises(ConfigurationError) as caught:
        load("itop: {address: x}\ncomands: {}\nfactories: [none]\n")
    assert len(caught.value.problems) >= 4
