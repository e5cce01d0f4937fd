import io

import pytest

from itop_bridge.errors import BridgeError, UsageError
from itop_bridge.trial.sample import Sample, load_samples


def test_each_file_is_one_payload_and_a_dash_the_standard_input(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff{}")
    samples = load_samples([str(path), "-"], io.BytesIO(b"[]"))
    assert samples == [Sample(str(path), b"\xff{}"), Sample("-", b"[]")]


def test_a_file_named_twice_is_read_once(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")
    assert len(load_samples([str(path), str(path)], io.BytesIO())) == 1


def test_a_folder_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"is a folder: name the files in it, as in .*\*"):
        load_samples([str(tmp_path)], io.BytesIO())


@pytest.mark.parametrize("name", ["missing.json", "nul\0.json"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(BridgeError, match="cannot be read"):
        load_samples([str(tmp_path / name)], io.BytesIO())
