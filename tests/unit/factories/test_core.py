"""The command lines of core, organizations and person; tests/integration/test_cli.py runs them."""

import pytest

from itop_bridge.cli.main import build_parser


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["core-list"], {"what": "operations"}),
        (["core-list", "factories"], {"what": "factories"}),
        (["core-get", "Person", "--output", "name", "email", "--keys", "a=b"], {"output": ["name", "email"]}),
        (["core-create", "Person", "--fields", "a=b", "c=d"], {"fields": ["a=b", "c=d"]}),
        (["core-update", "Person", "3", "--fields", "a=b"], {"key": "3"}),
        (["core-stimulus", "Incident", "3", "ev_assign"], {"stimulus": "ev_assign", "fields": []}),
        (["core-delete", "Person", "3", "--simulate"], {"simulate": True}),
        (["orgs-get", "--org-code", "EXC"], {"org_code": "EXC"}),
        (["person-get", "--name", "Doe"], {"name": "Doe", "email": None}),
    ],
)
def test_a_command_is_understood(words, facts):
    args = vars(build_parser().parse_args(words))
    assert {name: args[name] for name in facts} == facts
    assert args["command"] == words[0]


@pytest.mark.parametrize(
    "words", [["core-get"], ["core-create", "Person"], ["core-update", "Person", "3"], ["core-delete", "P"]]
)
def test_what_is_needed_is_asked_for(words, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(words)
    assert "required" in capsys.readouterr().err
