"""What the stages share."""

from itop_bridge.composition import compose
from itop_bridge.settings.load import load_settings
from itop_bridge.triage.load import load_routing

CONFIGURATION = """\
mqtt: {{host: 127.0.0.1}}
itop: {{address: "http://127.0.0.1:1", user: admin, password: admin}}
journal: {{path: "{folder}/journal.db"}}
defaults: {{organization: EXC}}
routes: [{{name: r, topic: siem/r, format: generic, factory: incident-siem}}]
"""


async def test_alarms_and_mails_go_by_the_clock_of_what_they_tell_of(tmp_path):
    """Not by that of the machine, which jumps: else all that was received before looks hours late, or still to come."""
    path = tmp_path / "bridge.yaml"
    path.write_text(CONFIGURATION.format(folder=tmp_path))
    loaded = load_settings(path)
    async with compose(loaded.settings, load_routing(loaded)) as stages:
        clock = stages.ground.clock
        assert stages.mailer._pace.clock is clock
        assert stages.ground.alarms._clock is clock
