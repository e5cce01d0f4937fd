from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from itop_bridge.settings.place import Folder, InputFile, LogFile, Place, StateFile, is_readable_by_others


class InputHolder(BaseModel):
    input: InputFile


class Files(BaseModel):
    input: InputFile | None = None
    folder: Folder | None = None
    state: StateFile | None = None
    log: LogFile | None = None


def validate(beside, environ=None, **values: Any):
    return Files.model_validate(values, context=Place(beside, environ or {}))


def test_a_file_is_looked_for_beside_the_configuration(tmp_path):
    (tmp_path / "ca.pem").touch()
    assert validate(tmp_path, input="ca.pem").input == tmp_path / "ca.pem"
    assert validate(tmp_path, input=str(tmp_path / "ca.pem")).input == tmp_path / "ca.pem"


def test_a_private_key_may_be_a_credential_of_systemd(tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "key.pem").touch()
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert validate(tmp_path, environ, input="key.pem").input == credentials / "key.pem"


@pytest.mark.parametrize("value", ["missing.pem", ".", "", 3, "a\0b", None])
def test_what_is_no_readable_file_is_refused(tmp_path, value):
    with pytest.raises(ValidationError) as caught:
        InputHolder.model_validate({"input": value}, context=Place(tmp_path, {}))
    assert caught.value.error_count() == 1


def test_a_folder_must_be_there(tmp_path):
    assert validate(tmp_path, folder=".").folder == tmp_path
    with pytest.raises(ValidationError, match="no such folder"):
        validate(tmp_path, folder="missing")


def test_state_and_logs_lie_where_systemd_says(tmp_path):
    environ = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "LOGS_DIRECTORY": "/var/log/a"}
    files = validate(tmp_path, environ, state="journal.db", log="x.log")
    assert files.state == Path("/var/lib/a/journal.db")
    assert files.log == Path("/var/log/a/x.log")


def test_without_systemd_state_lies_in_the_working_directory(tmp_path):
    files = validate(tmp_path, state="journal.db", log="/var/log/x.log")
    assert files.state == Path.cwd() / "journal.db"
    assert files.log == Path("/var/log/x.log")


@pytest.mark.parametrize(("mode", "readable"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_only_the_mode_for_others_counts(tmp_path, mode, readable):
    path = tmp_path / "x"
    path.touch()
    path.chmod(mode)
    assert is_readable_by_others(path) is readable
