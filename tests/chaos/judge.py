"""Compares what the publisher saw acknowledged, what the journal says, and what iTop holds.

It shares no code with delivery, and does not believe the journal where iTop, or what was sent, can be asked.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from letter import DROPS, REPEATS, Kind
from record import HEAD
from witness import TOKEN

MARKER = re.compile(r"M\d{6}")
_COUNT = re.compile(r"(\d+) alerts?\b")
_MOST_NAMED = 20
"""Alerts that a log entry names; of more it tells the number."""
_REOPENED_S = 5.0
"""A create that was decided before a person reopened the incident before it may still come so long after."""
_ENDING = ("resolve", "close")
_CHANGING = (*_ENDING, "reopen")


class Kinds(StrEnum):
    """What a finding is of."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    DISORDERED = "out of order"
    MIXED = "mixed"
    OVERRULED = "over a person"
    FIRING = "resolved while firing"
    UNRESOLVED = "not resolved"
    ENDED = "ended by itself"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    kind: Kinds
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Evidence:
    """All that the findings rest on."""

    letters: list
    """Each once, in the order of sending."""
    events: list
    writes: list
    """In the order in which iTop carried them out."""
    deeds: list
    incidents: dict
    """By id."""


@dataclass(frozen=True, slots=True)
class Telling:
    """An alert as it arrived, and its row in the journal."""

    mention: object
    row: object


@dataclass
class Judge:
    """One verdict."""

    evidence: Evidence
    tellings: list = field(default_factory=list)
    """Every alert that arrived, in that order."""

    def find(self):
        """All findings."""
        findings = [*self._match_letters()]
        self._index()
        for check in (
            self._fates,
            self._entries,
            self._unknown_entries,
            self._markers,
            self._order,
            self._tenants,
            self._second_incidents,
            self._people,
            self._returns,
            self._ends,
        ):
            findings += check()
        return findings

    # what was sent, and what is in the journal

    def _match_letters(self):
        """Every letter that was acknowledged is in the journal, as often as it was sent at most."""
        letters = defaultdict(list)
        for letter in self.evidence.letters:
            letters[letter.topic, len(letter.payload), letter.payload[:HEAD]].append(letter)
        arrived = Counter()
        for event in self.evidence.events:
            known = (event.topic, event.size, (event.head or b"")[:HEAD])
            arrived[known] += 1
            if known not in letters:
                yield Finding(Kinds.DUPLICATED, f"event {event.id} on {event.topic} was sent by nobody")
            else:
                yield from self._match_rows(event, letters[known][0])
        for known, same in letters.items():
            sent, acknowledged = sum(each.sent for each in same), sum(each.acknowledged for each in same)
            if acknowledged and not arrived[known]:
                yield Finding(Kinds.LOST, f"{same[0].name}: acknowledged to the publisher, and not in the journal")
            if arrived[known] > sent:
                name = same[0].name
                yield Finding(Kinds.DUPLICATED, f"{name}: {arrived[known]} times in the journal, sent {sent} times")

    def _match_rows(self, event, letter):
        rows = defaultdict(list)
        for row in event.rows:
            rows[row.index].append(row)
        for index, mention in enumerate(letter.mentions):
            found = rows.pop(index, [])
            if not found:
                yield Finding(Kinds.LOST, f"{mention.marker} in event {event.id}: nothing became of it")
            if len(found) > 1:
                yield Finding(Kinds.DUPLICATED, f"{mention.marker} in event {event.id}: {len(found)} fates")
            self.tellings += [Telling(mention, row) for row in found[:1]]
        for index in rows:
            yield Finding(Kinds.DUPLICATED, f"event {event.id} has an element {index} that was not sent")

    def _index(self):
        self.by_token = defaultdict(list)
        for telling in self.tellings:
            if telling.row.fate == "told":
                self.by_token[telling.row.token].append(telling)
        self.standing = defaultdict(list)
        """By token: the incidents and entries in which it stands."""
        for incident in self.evidence.incidents.values():
            for entry in incident.entries:
                for token in TOKEN.findall(entry):
                    self.standing[token].append((incident, entry))
        self.written = {}
        """By token: its first write."""
        for write in self.evidence.writes:
            self.written.setdefault(write.token, write)
        self.opened = defaultdict(list)
        """By case: the writes that created its incidents."""
        for write in self.evidence.writes:
            if write.operation == "core/create" and (case := self._case_of(write)):
                self.opened[case].append(write)

    def _case_of(self, write):
        told = self.by_token.get(write.token)
        return told[0].mention.case if told else None

    # what became of it

    def _fates(self):
        """An alert that comes for the first time is told in iTop, or dropped for a reason that its kind allows.

        One that comes again right after itself is dropped.
        """
        latest, seen = {}, set()
        for telling in self.tellings:
            mention, row = telling.mention, telling.row
            alert = (mention.case.rpartition("/")[0], mention.alert)
            again = mention.marker in seen
            seen.add(mention.marker)
            yield from self._judge_fate(mention, row, again=again, latest=latest.get(alert) == mention.marker)
            if row.landed and mention.alert:
                latest[alert] = mention.marker

    def _judge_fate(self, mention, row, *, again, latest):
        became = f"{mention.marker} ({mention.kind}) in event {row.event} became {row.fate} {row.reason}".rstrip()
        if mention.kind in (Kind.RUBBISH, Kind.HOMELESS):
            wanted = ("dead", mention.reason) if mention.kind is Kind.RUBBISH else ("parked", "organization_unknown")
            repeated = again and row.fate == "dropped" and row.reason in REPEATS and mention.kind is Kind.HOMELESS
            if (row.fate, row.reason) != wanted and not repeated:
                yield Finding(Kinds.LOST, became)
        elif latest:
            if row.fate != "dropped" or row.reason not in REPEATS:
                yield Finding(Kinds.DUPLICATED, f"{became}, and had come just before")
        elif row.fate == "told":
            if mention.kind in (Kind.EARLY, Kind.OVERTAKEN):
                yield Finding(Kinds.DUPLICATED, f"{became}, though its resolve came first")
        elif row.fate != "dropped" or row.reason not in DROPS[mention.kind] | (REPEATS if again else frozenset()):
            yield Finding(Kinds.LOST, became)

    def _entries(self):
        """What the journal says was told stands in iTop once, with the number of alerts and, of a few, their names."""
        for token, told in self.by_token.items():
            found = self.standing[token]
            names = _list(each.mention.marker for each in told)
            if not found:
                yield Finding(Kinds.LOST, f"{names}: told with {token or 'no entry'}, which stands nowhere in iTop")
            elif len(found) > 1:
                yield Finding(Kinds.DUPLICATED, f"{names}: {token} stands in iTop {len(found)} times")
            else:
                yield from _compare(token, told, found[0][1])

    def _unknown_entries(self):
        """Every entry that a call of the bridge's left in iTop settled something."""
        for write in self.evidence.writes:
            if not write.token:
                yield Finding(Kinds.LOST, f"{write.operation} on incident {write.incident} left no entry")
            elif write.token not in self.by_token and write.token in self.standing:
                kind = f"{write.token} on incident {write.incident}"
                yield Finding(Kinds.DUPLICATED, f"{kind} is in iTop, and the journal does not count on it")

    def _markers(self):
        """No alert stands in two entries, unless it was told twice since it came again after other news."""
        standing = Counter(
            marker
            for incident in self.evidence.incidents.values()
            for entry in incident.entries
            for marker in dict.fromkeys(MARKER.findall(entry))
        )
        told = Counter(each.mention.marker for tellings in self.by_token.values() for each in tellings)
        for marker, times in standing.items():
            if times > max(1, told[marker]):
                yield Finding(Kinds.DUPLICATED, f"{marker} stands in {times} entries")

    def _order(self):
        """The alerts of a case were told in the order in which they were sent."""
        told, cases = set(), defaultdict(list)
        for token in self.written:
            for telling in self.by_token.get(token, ()):
                if telling.mention.marker not in told:  # one that comes again has its place by its first coming
                    told.add(telling.mention.marker)
                    cases[telling.mention.case].append(telling.mention)
        for case, mentions in cases.items():
            for earlier, later in pairwise(mentions):
                if earlier.number > later.number:
                    yield Finding(Kinds.DISORDERED, f"{case}: {earlier.marker} was told before {later.marker}")

    def _tenants(self):
        """An incident has the text of one case, of its own organisation."""
        mentions = {each.marker: each for letter in self.evidence.letters for each in letter.mentions}
        for incident in self.evidence.incidents.values():
            markers = MARKER.findall("\n".join((incident.text, *incident.entries)))
            cases = {mentions[marker].case for marker in markers if marker in mentions}
            orgs = {case.partition("/")[0] for case in cases}
            if orgs - {incident.org}:
                yield Finding(Kinds.MIXED, f"{incident.ref} of {incident.org} has text of {', '.join(sorted(orgs))}")
            elif len(cases) > 1:
                yield Finding(Kinds.MIXED, f"{incident.ref} has text of the cases {', '.join(sorted(cases))}")

    # incidents and people

    def _second_incidents(self):
        """While a case's incident is ongoing, no other is made."""
        for case, opened in self.opened.items():
            for earlier, later in pairwise(opened):
                reopened = [
                    each
                    for each in self.evidence.deeds
                    if each.incident == earlier.incident
                    and each.verb == "reopen"
                    and later.at - _REOPENED_S < each.at <= later.at
                ]
                if earlier.incident in later.ongoing and not reopened:
                    pair = f"incident {later.incident} beside {earlier.incident}, which was ongoing"
                    yield Finding(Kinds.DUPLICATED, f"{case}: {pair}")

    def _people(self):
        """What a person holds is not resolved, and an urgency that a person set is not raised."""
        ours = {}
        for write in self.evidence.writes:
            what = f"{write.stimulus or write.operation} on incident {write.incident}"
            if write.stimulus in ("ev_resolve", "ev_autoresolve") and write.before.is_held:
                yield Finding(Kinds.OVERRULED, f"{what}, which a person held ({write.before})")
            raises = write.operation == "core/update" and write.urgency
            if raises and write.before.urgency != ours.get(write.incident):
                yield Finding(Kinds.OVERRULED, f"{what} raised an urgency that was a person's ({write.before})")
            if write.urgency:
                ours[write.incident] = write.urgency

    def _returns(self):
        """An incident is reopened, or followed by another, for what is new and not for what a person dealt with."""
        successors = {write.token for opened in self.opened.values() for write in opened[1:]}
        for token, write in self.written.items():
            if write.stimulus != "ev_reopen" and token not in successors:
                continue
            told = self.by_token.get(token, ())
            if told and not any(each.mention.kind in (Kind.FIRE, Kind.SHOT) for each in told):
                names = _list(each.mention.marker for each in told)
                what = write.stimulus or "a further incident"
                yield Finding(Kinds.OVERRULED, f"{what}, incident {write.incident}, for nothing new: {names}")

    def _ends(self):
        """What we resolved last does not fire; what ended, and no person touched, is resolved."""
        alerts = defaultdict(dict)
        for telling in self.tellings:
            mention = telling.mention
            if telling.row.landed and mention.kind in (Kind.FIRE, Kind.UPDATE, Kind.RESOLVE):
                alerts[mention.case].setdefault(mention.alert, []).append(telling)
        for case, histories in alerts.items():
            if case not in self.opened:
                continue
            ids = {write.incident for write in self.opened[case]}
            deeds = [each for each in self.evidence.deeds if each.incident in ids]
            firing = [history for history in histories.values() if history[-1].mention.kind is not Kind.RESOLVE]
            incident = self.evidence.incidents[self.opened[case][-1].incident]
            yield from self._judge_end(case, incident, firing, deeds)

    def _judge_end(self, case, incident, firing, deeds):
        open_ = [history for history in firing if not self._was_handled(history, deeds)]
        if open_ and self._last_change(incident.id) == "ours":
            names = _list(history[-1].mention.marker for history in open_)
            yield Finding(Kinds.FIRING, f"{case}: {incident.ref} was resolved by us, and {names} fire")
        if not firing and not deeds and incident.status != "resolved":
            yield Finding(Kinds.UNRESOLVED, f"{case}: nothing fires, and {incident.ref} is {incident.status}")

    def _was_handled(self, history, deeds):
        """A person resolved or closed an incident of the case after it had been told of this firing."""
        begins = [each for each in history if each.mention.kind is Kind.FIRE]
        write = self.written.get(begins[-1].row.token) if begins else None
        return write is None or any(each.at >= write.at and each.verb in _ENDING for each in deeds)

    def _last_change(self, incident):
        """Who resolved, closed or reopened the incident last, and whether we resolved it: ours, or theirs."""
        ours = [each for each in self.evidence.writes if each.incident == incident and each.stimulus]
        theirs = [each.at for each in self.evidence.deeds if each.incident == incident and each.verb in _CHANGING]
        resolved = ours and ours[-1].stimulus != "ev_reopen" and ours[-1].at > max(theirs, default=0.0)
        return "ours" if resolved else "theirs"


def _compare(token, told, entry):
    count = int(_COUNT.search(entry)[1])
    if count != len(told):
        kind = Kinds.LOST if count < len(told) else Kinds.DUPLICATED
        yield Finding(kind, f"{token} tells of {count} alerts, and stands for {len(told)}")
    wanted = [each.mention.marker for each in told][:_MOST_NAMED]
    named = MARKER.findall(entry)
    if named != wanted:
        kind = Kinds.DISORDERED if sorted(named) == sorted(wanted) else Kinds.LOST
        yield Finding(kind, f"{token} names {_list(named)}, and stands for {_list(wanted)}")


def _list(markers):
    several = list(markers)
    more = f" and {len(several) - 5} more" if len(several) > 5 else ""
    return ", ".join(several[:5]) + more
