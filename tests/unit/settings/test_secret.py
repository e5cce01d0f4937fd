import pytest
from pydantic import BaseModel, ValidationError

from itop_bridge.settings.place import Place
from itop_bridge.settings.secret import Secret, find_secrets


class Holder(BaseModel):
    password: Secret | None = None


class Outer(BaseModel):
    holder: Holder


def load(value, folder, environ=None):
    return Holder.model_validate({"password": value}, context=Place(folder, environ or {})).password


def failure(value, folder, environ=None):
    with pytest.raises(ValidationError) as caught:
        load(value, folder, environ)
    return str(caught.value.errors()[0]["ctx"]["error"])


def write(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)


def test_a_secret_prints_as_stars(tmp_path):
    holder = Holder(password=Secret("hunter2"))
    for text in (
        repr(holder),
        str(holder.password),
        f"{holder.password}",
        holder.model_dump_json(),
        str(holder.model_dump()),
    ):
        assert "hunter2" not in text
        assert "********" in text


def test_secrets_are_equal_by_their_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a", "weak")}) == 1


def test_a_file_is_read_beside_the_configuration(tmp_path):
    write(tmp_path / "pw", b"hunter2\n")
    secret = load({"file": "pw"}, tmp_path)
    assert secret.reveal() == "hunter2"
    assert secret.weakness is None


def test_a_credential_of_systemd_wins(tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    write(tmp_path / "pw", b"beside")
    write(credentials / "pw", b"credential")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert load({"file": "pw"}, tmp_path, environ).reveal() == "credential"
    (credentials / "pw").unlink()
    assert load({"file": "pw"}, tmp_path, environ).reveal() == "beside"


@pytest.mark.parametrize(
    ("content", "text"), [(b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a ", " a "), ("é".encode(), "é")]
)
def test_only_the_newline_at_the_end_is_stripped(tmp_path, content, text):
    write(tmp_path / "pw", content)
    assert load({"file": "pw"}, tmp_path).reveal() == text


def test_a_missing_file_is_told_with_where_it_was_looked_for(tmp_path):
    text = failure({"file": "pw"}, tmp_path, {"CREDENTIALS_DIRECTORY": "/nowhere"})
    assert text == f"no such file: /nowhere/pw nor {tmp_path}/pw"


def test_a_file_that_others_can_read_is_a_weakness(tmp_path):
    write(tmp_path / "pw", b"hunter2", mode=0o644)
    assert load({"file": "pw"}, tmp_path).weakness == f"{tmp_path}/pw can be read by every user: chmod o-r it"


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 70_000, b"hunter2\xff"])
def test_a_useless_file_is_refused_without_its_content(tmp_path, content):
    write(tmp_path / "pw", content)
    text = failure({"file": "pw"}, tmp_path)
    assert text.startswith(f"{tmp_path}/pw ")
    assert "hunter2" not in text


def test_a_folder_is_no_secret(tmp_path):
    assert "cannot be read" in failure({"file": "."}, tmp_path)


def test_the_environment_is_read(tmp_path):
    assert load({"env": "PW"}, tmp_path, {"PW": "hunter2"}).reveal() == "hunter2"
    assert failure({"env": "PW"}, tmp_path) == "the environment variable PW is not set"
    assert failure({"env": "PW"}, tmp_path, {"PW": ""}) == "the environment variable PW is empty"


def test_a_literal_works_and_is_a_weakness(tmp_path):
    secret = load("hunter2", tmp_path)
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in secret.weakness


@pytest.mark.parametrize(
    "value", [12_345_678, {"fil": "hunter2"}, {"file": "a", "env": "b"}, {"file": ""}, {"env": 3}, ["x"], {}]
)
def test_another_form_is_refused_without_the_value(tmp_path, value):
    assert failure(value, tmp_path).startswith("must be {file: NAME} or {env: NAME}")


def test_secrets_are_found_with_their_paths():
    outer = Outer(holder=Holder(password=Secret("x")))
    assert list(find_secrets(outer)) == [("holder.password", Secret("x"))]
