"""Is this alert new, an update, or a repeat? One pure decision, on what is known under its id."""

from itop_bridge.alert import State
from itop_bridge.journal.landing import Landing, Seen, Verdict


def decide_landing(seen: Seen | None, landing: Landing) -> Verdict:
    """What to do with an alert, given what was seen under its id.

    An *episode* is one firing of an alert, told apart by the alert's time where the format has one; where it has none,
    a resolve ends it.
    """
    if landing.one_shot:
        return _decide_one_shot(seen, landing)
    if landing.state is State.FIRING:
        return _decide_firing(seen, landing)
    return _decide_resolve(seen, landing)


def decide_retry(seen: Seen | None, landing: Landing) -> Verdict:
    """What to do with an alert that a person tries again: it is never a repeat.

    What is known under its id and came later stays. A resolve lands without waiting for its alert, but has no effect on
    an alert that fired again since, or that is resolved anyway.
    """
    if landing.one_shot or landing.state is State.FIRING:
        overtaken = seen is not None and not _is_latest(seen, landing)
        updates = seen is not None and (landing.one_shot or (overtaken and seen.state == "firing"))
        return Verdict("accept", "retried", same_episode=updates, overtaken=overtaken)
    if seen and seen.state == "firing" and landing.episode is None and landing.received < seen.received:
        return Verdict("drop", "already_resolved")
    verdict = _decide_resolve(seen, landing)
    return Verdict("accept", "retried") if verdict.action == "wait" else verdict


def decide_replay(seen: Seen | None, landing: Landing) -> Verdict:
    """What to do with an alert that is replayed: a repeat is one as ever, and what came after it stays the last word.

    One that its SIEM has resolved since opens nothing.
    """
    verdict = decide_landing(seen, landing)
    if seen is None or landing.received >= seen.received or verdict.action == "drop":
        return verdict
    if seen.state == "resolved" and verdict.reason == "new_episode" and landing.episode is None:
        return Verdict("drop", "already_resolved")
    return decide_retry(seen, landing)


def _is_latest(seen: Seen, landing: Landing) -> bool:
    if seen.episode is None or landing.episode is None:
        return landing.received > seen.received
    return _is_newer(seen, landing)


def _decide_one_shot(seen: Seen | None, landing: Landing) -> Verdict:
    if seen is None:
        return Verdict("accept", "new")
    if seen.content == landing.content:
        return Verdict("drop", "repeat")
    return Verdict("accept", "update", same_episode=True)


def _decide_firing(seen: Seen | None, landing: Landing) -> Verdict:
    if seen is None:
        return Verdict("accept", "new")
    if _is_newer(seen, landing):
        return Verdict("accept", "new_episode")
    if seen.state == "waiting":
        return Verdict("drop", "already_resolved")
    if seen.state == "resolved":
        # a format without times fires again by firing again
        return Verdict("accept", "new_episode") if landing.episode is None else Verdict("drop", "already_resolved")
    if seen.handled:
        return Verdict("drop", "handled_by_person")
    if seen.state == "expired":
        return Verdict("accept", "still_firing", same_episode=True)
    if seen.content != landing.content:
        return Verdict("accept", "update", same_episode=True)
    if landing.episode is not None or landing.received - seen.received <= landing.duplicate_window_s:
        return Verdict("drop", "repeat")
    return Verdict("accept", "still_firing", same_episode=True)


def _decide_resolve(seen: Seen | None, landing: Landing) -> Verdict:
    if seen is None:
        return Verdict("wait", "not_yet_fired")
    if seen.state in ("firing", "expired"):
        if _is_older(seen, landing):
            return Verdict("drop", "already_resolved")
        return Verdict("accept", "resolved", same_episode=True)
    if _is_newer(seen, landing):
        return Verdict("wait", "not_yet_fired")
    if seen.content == landing.content and landing.received - seen.received <= landing.duplicate_window_s:
        return Verdict("drop", "repeat")
    return Verdict("drop", "already_resolved")


def _is_newer(seen: Seen, landing: Landing) -> bool:
    return seen.episode is not None and landing.episode is not None and landing.episode > seen.episode


def _is_older(seen: Seen, landing: Landing) -> bool:
    return seen.episode is not None and landing.episode is not None and landing.episode < seen.episode
