"""What became of every message: read from the journal, and compared with what was sent and with what iTop shows."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itop_bridge.delivery.text import token_line
from itop_bridge.demo.story import RESOLVED, Fate, Message


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the stages are."""

    journaled: int = 0
    mapped: int = 0
    incidents: int = 0
    owed: int = 0
    """Alerts that iTop has not been told of."""
    unproved: int = 0
    """Writes that are still to be seen in iTop."""

    def is_done(self, sent: int) -> bool:
        return self.journaled >= sent and self.mapped >= sent and not self.owed and not self.unproved


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as it was journaled, and what became of its alerts, in order."""

    topic: str
    payload: bytes
    fates: tuple[Fate, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A write that iTop carried out, and how many alerts it stands for."""

    incident: str
    token: str
    alerts: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that cannot be mapped, and why."""

    topic: str
    payload: bytes
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The whole of a journal."""

    entries: tuple[Entry, ...]
    writes: tuple[Write, ...]
    dead_letters: tuple[DeadLetter, ...]

    def count(self, kind: str) -> Counter[str]:
        """How many alerts met a kind of fate, by its name: an incident's ref, or a reason."""
        return Counter(fate.name for entry in self.entries for fate in entry.fates if fate.kind == kind)


def read_progress(sql: sqlite3.Connection) -> Progress:
    """How far the stages are, from the journal."""
    row = sql.execute(
        "SELECT (SELECT count(*) FROM events),"
        " (SELECT count(*) FROM events WHERE id <= (SELECT value FROM meta WHERE name = 'triaged')),"
        " (SELECT count(*) FROM cases WHERE incident IS NOT NULL),"
        " (SELECT count(*) FROM intents WHERE state IN ('pending', 'waiting')),"
        " (SELECT count(*) FROM attempts WHERE state IN ('in_flight', 'unknown', 'applied'))"
    ).fetchone()
    return Progress(*row)


def read_ledger(sql: sqlite3.Connection) -> Ledger:
    """The fate of every message, in the order of their arrival."""
    fates = _read_fates(sql)
    entries = [
        Entry(topic.decode(), payload, tuple(fate for _, fate in sorted(fates[event], key=_index)))
        for event, topic, payload in sql.execute("SELECT id, topic, payload FROM events ORDER BY id")
    ]
    writes = sql.execute(
        "SELECT coalesce(cases.ref, ''), attempts.token, count(intents.seq) FROM attempts"
        " JOIN cases ON cases.id = attempts.case_id LEFT JOIN intents ON intents.attempt = attempts.id"
        " WHERE attempts.state = 'confirmed' GROUP BY attempts.id ORDER BY attempts.id"
    )
    dead = sql.execute(
        "SELECT topic, payload, reason, detail FROM dead_letters JOIN events ON events.id = event_id"
        " ORDER BY dead_letters.id"
    )
    return Ledger(
        tuple(entries),
        tuple(Write(*row) for row in writes),
        tuple(DeadLetter(topic.decode(), *more) for topic, *more in dead),
    )


def _read_fates(sql: sqlite3.Connection) -> dict[int, list[tuple[int, Fate]]]:
    fates: dict[int, list[tuple[int, Fate]]] = defaultdict(list)
    intents = sql.execute(
        "SELECT event_id, idx, intents.state, coalesce(reason, ''), coalesce(cases.ref, '') FROM intents"
        " JOIN cases ON cases.id = intents.case_id"
    )
    for event, index, state, reason, ref in intents:
        fates[event].append((index, _describe_fate(state, reason, ref)))
    for event, index, reason in sql.execute("SELECT event_id, idx, reason FROM drops"):
        fates[event].append((index, Fate("dropped", reason)))
    for event, index, reason in sql.execute(
        "SELECT event_id, idx, reason FROM dead_letters WHERE event_id IS NOT NULL"
    ):
        fates[event].append((index, Fate("dead", reason)))
    return fates


def _describe_fate(state: str, reason: str, ref: str) -> Fate:
    if state == "delivered":
        return Fate("incident", ref)
    if state == "dropped":
        return Fate("dropped", reason)
    return Fate("dead", reason) if state == "dead" else Fate("pending", state)


def _index(fate: tuple[int, Fate]) -> int:
    return fate[0]


def find_faults(sent: Sequence[Message], ledger: Ledger, tickets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every way in which the ledger, or iTop, is not as what was sent asks for; empty if all is well.

    `tickets` are iTop's, attribute to value, logs as lists of entries.
    """
    found: defaultdict[tuple[str, bytes], list[tuple[Fate, ...]]] = defaultdict(list)
    for entry in ledger.entries:
        found[entry.topic, entry.payload].append(entry.fates)
    refs: defaultdict[str, set[str]] = defaultdict(set)
    faults: list[str] = []
    for message in sent:
        same = found[message.topic, message.payload]
        met = same.pop(0) if same else None
        if met is None or not _is_met(message.fates, met):
            faults.append(_describe_unmet(message, met))
        else:
            for wanted, got in zip(message.fates, met, strict=True):
                if wanted.kind == "incident":
                    refs[wanted.name].add(got.name)
    surplus = sum(map(len, found.values()))
    faults += [f"{surplus} messages are in the journal more often than they were sent"] if surplus else []
    return [*faults, *_compare_incidents(refs, tickets), *_compare_writes(ledger.writes, tickets)]


def _is_met(wanted: Sequence[Fate], got: Sequence[Fate]) -> bool:
    """An incident's name is a label here and a ref there: those are compared afterwards."""
    return len(wanted) == len(got) and all(
        want.kind == fate.kind and (want.kind == "incident" or want.name == fate.name)
        for want, fate in zip(wanted, got, strict=True)
    )


def _describe_unmet(message: Message, met: tuple[Fate, ...] | None) -> str:
    wanted = ", ".join(map(str, message.fates))
    became = "was not journaled" if met is None else f"became {', '.join(map(str, met)) or 'nothing'}"
    return f"an alert on {message.topic} {became}; expected {wanted}: {message.payload[:80]!r}"


def _compare_incidents(refs: Mapping[str, set[str]], tickets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for label, several in refs.items():
        if len(several) > 1:
            yield f"the case {label!r} has {len(several)} incidents: {', '.join(sorted(several))}"
    owners = Counter(ref for several in refs.values() for ref in several)
    yield from (f"{ref} mixes {count} cases" for ref, count in owners.items() if count > 1)
    statuses = {str(ticket["ref"]): str(ticket["status"]) for ticket in tickets}
    for ref in owners.keys() ^ statuses.keys():
        yield f"{ref} is in {'the journal' if ref in owners else 'iTop'} only"
    for ref in sorted(owners.keys() & statuses.keys()):
        ended = ref in refs.get(RESOLVED, ())
        if ended != (statuses[ref] == "resolved"):
            yield f"{ref} is {statuses[ref]}, and its alerts {'are resolved' if ended else 'still fire'}"


def _compare_writes(writes: Iterable[Write], tickets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every write leaves its token in its incident's log, exactly once."""
    logs = {str(ticket["ref"]): "\n".join(_texts(ticket)) for ticket in tickets}
    for write in writes:
        count = sum(text.count(token_line(write.token)) for text in logs.values())
        if count != 1 or token_line(write.token) not in logs.get(write.incident, ""):
            where = "" if count != 1 else ", and not there"
            yield f"a write to {write.incident} stands in iTop {count} times{where}"


def _texts(ticket: Mapping[str, Any]) -> Iterator[str]:
    for log in ("public_log", "private_log"):
        yield from (str(entry["message"]) for entry in ticket[log])
