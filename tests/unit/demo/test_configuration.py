import stat

from itop_bridge.demo.configuration import write_configuration
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing


def test_the_configuration_is_usable_and_nothing_in_it_is_warned_of(tmp_path):
    folder = tmp_path / "a folder: with # marks"
    folder.mkdir()
    path = write_configuration(folder, broker_port=1234, itop_address="https://itop.example")
    loaded = load_settings(path)
    assert loaded.warnings == []
    assert (loaded.settings.mqtt.port, loaded.settings.mqtt.protocol) == (1234, "3.1.1")
    assert loaded.settings.journal.path == folder / "journal.db"
    assert loaded.settings.console.listen is None
    assert [route.name for route in load_routing(loaded).routes] == ["wazuh", "suricata", "alertmanager", "generic"]


def test_the_password_is_for_the_owner_only(tmp_path):
    write_configuration(tmp_path, broker_port=1234, itop_address="http://127.0.0.1:1")
    assert stat.S_IMODE((tmp_path / "itop-password").stat().st_mode) == 0o600
