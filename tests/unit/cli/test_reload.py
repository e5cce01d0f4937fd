def test_without_a_daemon_it_says_so(operator):
    code, out, err = operator.run("reload")
    assert (code, out) == (1, "")
    assert err == "the daemon does not run: it reads its configuration when it is started\n"


def test_there_is_no_dry_run(operator):
    assert operator.run("reload", "--dry-run")[0] == 2
    assert operator.run("reload", "--read-only")[0] == 1
