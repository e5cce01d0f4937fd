"""Elements that are mapped anew, each by what became of it before: dead letters that are tried again, and events that
are replayed."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from itop_bridge.journal.batch import Batch
from itop_bridge.journal.landing import Element, Tally
from itop_bridge.journal.replay import ElementTraces, Ending, decide_left, fetch_element_traces, forget_drop
from itop_bridge.journal.retry import (
    Retry,
    fetch_traces,
    find_own,
    is_retrying,
    known_indexes,
    next_n,
    reopen_letter,
    settle_letter,
)
from itop_bridge.outcome import Rejected


def retry_letters(batch: Batch, retried: Iterable[tuple[Retry, Sequence[Element]]], routes: Collection[str]) -> Tally:
    """Land the elements of dead letters and settle the letters: see TriageJournal.record_retries."""
    met: set[int] = set()
    for retry, elements in retried:
        if is_retrying(batch.sql, retry.letter):
            _retry(batch, retry, elements, routes)
            if retry.event_id not in met:
                met.add(retry.event_id)
                _take_unknown(batch, retry.event_id, elements)
    batch.flush()
    return batch.tally


def _retry(batch: Batch, retry: Retry, elements: Sequence[Element], routes: Collection[str]) -> None:
    """The letter stays open for the first that fails again; a further one gets a letter of its own."""
    batch.write()  # so that it is seen
    traces = fetch_traces(batch.sql, retry)
    batch.number_from(retry.event_id, retry.index, next_n(batch.sql, retry.event_id, retry.index))
    failed: Rejected | None = None
    for own in find_own(retry, elements, traces, routes):
        if isinstance(own.result, Rejected) and failed is None:
            failed = own.result
        else:
            batch.take(own)
    if failed is None:
        settle_letter(batch.sql, retry.letter, batch.now)
    else:
        batch.count(failed)
        reopen_letter(batch.sql, retry.letter, failed)


def _take_unknown(batch: Batch, event_id: int, elements: Sequence[Element]) -> None:
    known = known_indexes(batch.sql, event_id)
    for element in elements:
        if element.index not in known:
            batch.take(element)


def replay_elements(batch: Batch, elements: Iterable[Element]) -> list[Ending]:
    """Land elements of events that were mapped before: see TriageJournal.record_replay."""
    endings: list[Ending] = []
    for _, routed in groupby(elements, key=lambda element: (element.event_id, element.index)):
        endings += _replay(batch, list(routed))
    batch.flush()
    return endings


def _replay(batch: Batch, routed: Sequence[Element]) -> list[Ending]:
    """One element, by each route that takes it now."""
    event_id, index = routed[0].event_id, routed[0].index
    traces = fetch_element_traces(batch.sql, event_id, index)
    batch.number_from(event_id, index, next_n(batch.sql, event_id, index))
    endings = [_replay_by(batch, element, traces) for element in routed]
    letters = list(traces.letters)
    for ending in endings:
        if ending.outcome == "dead" and isinstance(ending.element.result, Rejected):
            _reject_again(batch, ending.element, ending.element.result, letters)
    if any(ending.outcome in ("landed", "dropped") for ending in endings):
        for letter in letters:
            settle_letter(batch.sql, letter, batch.now)
    return endings


def _replay_by(batch: Batch, element: Element, traces: ElementTraces) -> Ending:
    left = decide_left(traces, element.route)
    if left is not None:
        return Ending(element, left)
    if isinstance(element.result, Rejected):
        # what was dropped on purpose makes no new work for a person
        drop = None if traces.letters else next(iter(traces.drops.values()), None)
        return Ending(element, "dead", element.result.reason) if drop is None else Ending(element, "dropped", drop)
    forget_drop(batch.sql, element.event_id, element.index, element.route)
    reason = batch.take(element)
    return Ending(element, "landed") if reason is None else Ending(element, "dropped", reason)


def _reject_again(batch: Batch, element: Element, rejected: Rejected, letters: list[int]) -> None:
    """Its letter stays open with the reason of now; without one it gets one."""
    if letters:
        batch.count(rejected)
        reopen_letter(batch.sql, letters.pop(0), rejected)
    else:
        batch.reject(element, rejected)
