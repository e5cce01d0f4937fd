import pytest

from itop_bridge.cli.reload import summarise_reload


def test_without_a_daemon_it_says_so(operator):
    code, out, err = operator.run("reload")
    assert (code, out) == (1, "")
    assert err == "the daemon does not run: it reads its configuration when it is started\n"


def test_there_is_no_dry_run(operator):
    assert operator.run("reload", "--dry-run")[0] == 2
    assert operator.run("reload", "--read-only")[0] == 1


@pytest.mark.parametrize(
    ("routes", "restart", "told"),
    [
        (["a"], [], "ok: 1 route"),
        (
            ["a", "b"],
            ["mqtt.port", "console.listen"],
            "ok: 2 routes; taken up by a restart only: mqtt.port, console.listen",
        ),
    ],
)
def test_what_is_in_use_and_what_is_not_is_told(routes, restart, told):
    assert summarise_reload({"routes": routes, "restart": restart}) == told
