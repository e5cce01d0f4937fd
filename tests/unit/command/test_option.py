import argparse

import pytest

from itop_bridge.command.option import add_organization_options, organization_of


def parse(*words, required=False):
    parser = argparse.ArgumentParser()
    add_organization_options(parser, required=required)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ([], None),
        (["--org-id", "2"], 2),
        (["--org-id", "0"], 0),
        (["--org-code", "EXC"], {"code": "EXC"}),
        (["--org-code", ""], {"code": ""}),
        (["--org-name", "Example Customer"], {"name": "Example Customer"}),
    ],
)
def test_the_organisation_is_a_key(words, key):
    assert organization_of(parse(*words)) == key


@pytest.mark.parametrize(
    "words",
    [["--org-id", "2", "--org-code", "EXC"], ["--org-id", "x"], ["--org-code", "a\x07"], ["--org-name", "\udcff"]],
)
def test_only_one_may_be_given(words, capsys):
    with pytest.raises(SystemExit):
        parse(*words)
    assert "--org-" in capsys.readouterr().err


def test_one_may_be_needed(capsys):
    with pytest.raises(SystemExit):
        parse(required=True)
    assert "one of the arguments --org-id --org-code --org-name is required" in capsys.readouterr().err
