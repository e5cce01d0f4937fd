import pytest

from itop_bridge.control.error import ControlError
from itop_bridge.control.operation import _OPERATIONS, perform
from itop_bridge.control.request import REQUESTS, FetchStatus, FindEvents, Pause, Reload, Resume, ShowEvent
from itop_bridge.errors import ConfigurationError


async def ask(daemon, request, controls=None):
    return await perform(request, controls or daemon.controls, daemon.tell)


def test_there_is_an_operation_for_every_request():
    assert set(_OPERATIONS) == set(REQUESTS.values())


async def test_an_event_is_shown_or_is_not_there(daemon):
    assert (await ask(daemon, ShowEvent(4)))["topic"] == "siem/EXC/wazuh"
    with pytest.raises(ControlError, match="there is no event 99"):
        await ask(daemon, ShowEvent(99))


async def test_the_events_of_an_alert_are_found(daemon):
    assert await ask(daemon, FindEvents("a1")) == {"events": [4]}
    assert await ask(daemon, FindEvents("a2")) == {"events": []}


async def test_a_pause_and_its_end_tell_whether_they_changed_anything(daemon):
    assert await ask(daemon, Pause("r")) == {"changed": True, "pauses": {"r": 2000.0}}
    assert await ask(daemon, Pause("r")) == {"changed": False, "pauses": {"r": 2000.0}}
    assert (await ask(daemon, Pause()))["pauses"] == {"*": 2000.0, "r": 2000.0}
    assert await ask(daemon, Resume("r")) == {"changed": True, "pauses": {"*": 2000.0}}
    assert await ask(daemon, Resume()) == {"changed": True, "pauses": {}}
    assert await ask(daemon, Resume()) == {"changed": False, "pauses": {}}


async def test_the_status_is_the_daemons(daemon):
    assert await ask(daemon, FetchStatus()) == {"running": True, "ready": True, "version": "1"}


async def test_without_a_daemon_the_status_is_the_journals(daemon):
    await ask(daemon, Pause("r"), daemon.controls)
    status = await ask(daemon, FetchStatus(), daemon.stopped)
    assert (status["running"], status["ready"], status["pauses"]) == (False, False, {"r": 2000.0})
    assert (status["journal"]["dead_letters"], status["journal"]["pending"]) == (3, 1)


async def test_a_reload_tells_the_routes_or_every_problem(daemon):
    assert await ask(daemon, Reload()) == {"routes": ["r", "wazuh"], "restart": ["mqtt.port"]}
    daemon.error = ConfigurationError(["a", "b"])
    with pytest.raises(ConfigurationError) as caught:
        await ask(daemon, Reload())
    assert (caught.value.problems, daemon.reloads) == (["a", "b"], 2)


async def test_a_reload_without_a_daemon_says_so(daemon):
    with pytest.raises(ControlError, match="the daemon does not run"):
        await ask(daemon, Reload(), daemon.stopped)
