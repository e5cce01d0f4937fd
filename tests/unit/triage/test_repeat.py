import pytest

from itop_bridge.alert import State
from itop_bridge.journal.landing import Landing, Seen, Verdict
from itop_bridge.triage.repeat import decide_landing, decide_replay, decide_retry

T = 1_000.0


def landing(state="firing", one_shot=False, episode=T, content="c", received=T):
    return Landing("s", "id", State(state), one_shot, episode, content, received, (), "p", 600.0, 600.0, 0.0)


def seen(state="firing", one_shot=False, episode=T, content="c", received=T, handled=False):
    return Seen(1, state, one_shot, episode, content, received, 0, 1, handled)


@pytest.mark.parametrize(
    ("known", "comes", "action", "reason"),
    [
        # one-shot
        (None, landing(one_shot=True), "accept", "new"),
        (seen(one_shot=True), landing(one_shot=True, received=T + 1e9), "drop", "repeat"),
        (seen(one_shot=True), landing(one_shot=True, content="d"), "accept", "update"),
        # firing
        (None, landing(), "accept", "new"),
        (seen(), landing(received=T + 1e9), "drop", "repeat"),
        (seen(), landing(content="d"), "accept", "update"),
        (seen(), landing(episode=T + 1), "accept", "new_episode"),
        (seen(handled=True), landing(content="d"), "drop", "handled_by_person"),
        (seen(handled=True), landing(episode=T + 1), "accept", "new_episode"),
        (seen("resolved"), landing(), "drop", "already_resolved"),
        (seen("resolved"), landing(episode=T + 1), "accept", "new_episode"),
        (seen("waiting"), landing(), "drop", "already_resolved"),
        (seen("expired"), landing(), "accept", "still_firing"),
        (seen("expired"), landing("resolved"), "accept", "resolved"),
        (seen("expired", handled=True), landing(), "drop", "handled_by_person"),
        (seen("waiting"), landing(episode=T + 1), "accept", "new_episode"),
        # firing, in a format without times
        (seen(episode=None), landing(episode=None, received=T + 599), "drop", "repeat"),
        (seen(episode=None), landing(episode=None, received=T + 601), "accept", "still_firing"),
        (seen("resolved", episode=None), landing(episode=None), "accept", "new_episode"),
        (seen("waiting", episode=None), landing(episode=None), "drop", "already_resolved"),
        # resolved
        (None, landing("resolved"), "wait", "not_yet_fired"),
        (seen(), landing("resolved"), "accept", "resolved"),
        (seen(), landing("resolved", episode=None), "accept", "resolved"),
        (seen(), landing("resolved", episode=T - 1), "drop", "already_resolved"),
        (seen("resolved"), landing("resolved"), "drop", "repeat"),
        (seen("resolved"), landing("resolved", content="d"), "drop", "already_resolved"),
        (seen("resolved"), landing("resolved", episode=T + 1), "wait", "not_yet_fired"),
    ],
)
def test_what_is_known_under_the_id_decides(known, comes, action, reason):
    verdict = decide_landing(known, comes)
    assert (verdict.action, verdict.reason) == (action, reason)


def test_only_what_continues_an_episode_is_of_the_same_one():
    assert decide_landing(seen(), landing("resolved")) == Verdict("accept", "resolved", same_episode=True)
    assert not decide_landing(seen("resolved"), landing(episode=T + 1)).same_episode


TOLD = Verdict("accept", "retried")
OVERTAKEN = Verdict("accept", "retried", overtaken=True)
UPDATE = Verdict("accept", "retried", same_episode=True, overtaken=True)
OVER = Verdict("drop", "already_resolved")


@pytest.mark.parametrize(
    ("known", "comes", "verdict"),
    [
        # never a repeat; what is known and newer stays
        (None, landing(), TOLD),
        (seen(), landing(), UPDATE),
        (seen(handled=True), landing(), UPDATE),
        (seen(), landing(episode=T + 1), TOLD),
        (seen(episode=T + 1), landing(), UPDATE),
        (seen("resolved"), landing(), OVERTAKEN),
        (seen("waiting"), landing(), OVERTAKEN),
        (seen("resolved"), landing(episode=T + 1), TOLD),
        # in a format without times what was received later is newer
        (seen(episode=None), landing(episode=None), UPDATE),
        (seen("resolved", episode=None), landing(episode=None, received=T - 1), OVERTAKEN),
        (seen("resolved", episode=None), landing(episode=None, received=T + 1), TOLD),
        # one-shot
        (None, landing(one_shot=True), TOLD),
        (seen(one_shot=True), landing(one_shot=True), UPDATE),
        (seen(one_shot=True), landing(one_shot=True, episode=T + 1), Verdict("accept", "retried", same_episode=True)),
        # a resolve waits for nothing, and ends nothing that fired again since
        (None, landing("resolved"), TOLD),
        (seen(), landing("resolved"), Verdict("accept", "resolved", same_episode=True)),
        (seen(episode=T + 1), landing("resolved"), OVER),
        (seen(episode=None, received=T + 1), landing("resolved", episode=None), OVER),
        (seen("resolved"), landing("resolved", content="d"), OVER),
    ],
)
def test_what_is_tried_again(known, comes, verdict):
    assert decide_retry(known, comes) == verdict


@pytest.mark.parametrize(
    ("known", "comes", "action", "reason"),
    [
        (None, landing(), "accept", "new"),
        (seen(), landing(received=T + 1e9), "drop", "repeat"),
        (seen(received=T + 9), landing(), "drop", "repeat"),
        (seen(received=T + 9, handled=True), landing(content="d"), "drop", "handled_by_person"),
        # what came after it stays the last word
        (seen("resolved", episode=None, received=T + 9), landing(episode=None), "drop", "already_resolved"),
        (seen("resolved", episode=None), landing(episode=None, received=T + 9), "accept", "new_episode"),
        (seen(episode=None, received=T + 9), landing("resolved", episode=None), "drop", "already_resolved"),
        (seen(one_shot=True, received=T + 9), landing(one_shot=True), "drop", "repeat"),
    ],
)
def test_a_replay_takes_repeats_for_repeats_and_changes_nothing_that_came_later(known, comes, action, reason):
    verdict = decide_replay(known, comes)
    assert (verdict.action, verdict.reason) == (action, reason)


def test_an_older_update_that_is_replayed_is_told_and_does_not_replace_the_newer():
    verdict = decide_replay(seen(content="d", received=T + 9), landing())
    assert (verdict.action, verdict.overtaken, verdict.same_episode) == ("accept", True, True)
