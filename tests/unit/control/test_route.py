import pytest

from itop_bridge.control.error import ControlError
from itop_bridge.control.route import check_route, suggest_route


@pytest.mark.parametrize("name", [None, "r", "wazuh"])
async def test_a_configured_route_or_all_is_right(daemon, name):
    await check_route(name, daemon.controls)


async def test_one_that_is_paused_and_no_longer_configured_can_be_resumed(daemon):
    with pytest.raises(ControlError, match="no route 'old'"):
        await check_route("old", daemon.controls)
    await daemon.controls.operations.pause("old")
    await check_route("old", daemon.controls)


async def test_where_nobody_knows_the_configuration_cases_tell_of_routes(daemon):
    await check_route("r", daemon.stopped)
    with pytest.raises(ControlError, match=r"no route 'wazuh'.*give --config FILE too"):
        await check_route("wazuh", daemon.stopped)


async def test_the_word_for_all_is_no_route(daemon):
    await daemon.controls.operations.pause(None)
    with pytest.raises(ControlError):
        await check_route("*", daemon.controls)


def test_what_is_near_is_suggested_and_else_all():
    assert suggest_route("wazu", ["wazuh", "zeek"]) == "; did you mean wazuh?"
    assert suggest_route("x", ["zeek", "wazuh"]) == "; there are wazuh, zeek"
    assert suggest_route("x", []) == "; there are none"
