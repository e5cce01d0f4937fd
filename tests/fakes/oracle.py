"""What must hold: iTop's state against the journal, by checks that share no code with delivery."""

import json
import re
from collections import Counter, defaultdict
from itertools import pairwise

from rig import TOKEN

MARKER = re.compile(r"M\d{4}")
COUNT = re.compile(r"(\d+) alerts?(?: \(|,)")

_CLOCK_S = 5.0
"""People who act while a call is under way take that long: it was due before."""
CALLS_OF_AN_ACT = 12
"""A loose bound: reads, a probe, the write and its look, and all of it again after a fault."""


class Oracle:
    """Compares the journal with what iTop holds. Each check yields what is wrong."""

    def __init__(self, world):
        self.world = world

    async def load(self):
        rows = self.world.rows
        self.intents = {
            row[0]: row
            for row in await rows("SELECT seq, case_id, kind, state, reason, attempt, received FROM intents")
        }
        # the resolve of an alert that expired is told in the alert's own words
        self.expired = {
            MARKER.search(row[0])[0] for row in await rows("SELECT CAST(facts AS TEXT) FROM intents WHERE n >= 1000")
        }
        self.attempts = {
            row[1]: row
            for row in await rows(
                "SELECT id, token, case_id, kind, state, incident, message, through, sent FROM attempts"
            )
        }
        self.cases = {
            row[0]: row
            for row in await rows(
                "SELECT id, incident, parked, due, (SELECT count(*) FROM alerts WHERE case_id = cases.id"
                " AND state = 'firing' AND one_shot = 0 AND handled = 0 AND EXISTS (SELECT 1 FROM intents WHERE"
                " intents.first_seq = alerts.first_seq AND kind = 'create')) FROM cases"
            )
        }
        # an alert that expired is noted, and resolves nothing, unless the route says so
        self.forgotten = {
            row[0]
            for row in await rows(
                "SELECT DISTINCT case_id FROM alerts WHERE state IN ('resolved', 'expired')"
                " AND NOT EXISTS (SELECT 1 FROM intents"
                " WHERE alert_id = alerts.id AND intents.case_id = alerts.case_id AND kind = 'resolve'"
                " AND seq >= alerts.first_seq)"
            )
        }
        self.groups = {
            row[0]: (row[1].removeprefix("code:"), json.loads(row[2])[-1])
            for row in await rows("SELECT id, organization, key FROM cases")
        }
        self.firing = defaultdict(list)
        for row in await rows(
            "SELECT case_id, alerts.id, alerts.received FROM alerts WHERE state = 'firing' AND one_shot = 0"
            " AND handled = 0 AND EXISTS (SELECT 1 FROM intents WHERE intents.case_id = alerts.case_id"
            " AND intents.first_seq = alerts.first_seq AND kind = 'create' AND intents.state <> 'pending')"
        ):
            self.firing[row[0]].append(row)
        self.lost = [row[0] for row in await rows("SELECT detail FROM dead_letters WHERE reason = 'entry_lost'")]
        self.letters = {row[0] for row in await rows("SELECT case_id FROM dead_letters WHERE state = 'open'")}
        self.told = defaultdict(list)
        for seq, _, _, state, _, attempt, _ in self.intents.values():
            if state == "delivered":
                self.told[attempt].append(seq)
        self.logs = self.world.logs()
        self.all_logs = {**self.logs, **self.world.gone}
        self.entry = {
            token: (incident, text)
            for incident, log in self.all_logs.items()
            for text in log
            for token in TOKEN.findall(text)
        }
        self.opened = defaultdict(list)
        """The incidents of each case, by the tokens of their creation."""
        for write in self.world.writes:
            if write.operation == "core/create":
                for token in write.tokens:
                    self.opened[self.attempts[_bare(token)][2]].append((write.at, write.incident))

    def check(self):
        """What is wrong when delivery has come to its end."""
        yield from self.check_on_the_way()
        yield from _judge(
            self.nothing_is_lost,
            self.nothing_fires_in_what_we_resolved,
            self.what_ended_is_resolved,
            self.what_the_siem_says_is_so,
            self.what_fires_later_is_seen,
            self.a_case_goes_on_where_it_was_told,
            self.calls_are_bounded,
        )

    def check_on_the_way(self):
        """What is wrong at any moment."""
        yield from _judge(
            self.what_is_delivered_is_told,
            self.nothing_is_told_twice,
            self.one_incident_of_a_case_is_ongoing,
            self.people_are_respected,
            self.what_people_dealt_with_stays_so,
            self.tenants_stay_apart,
            self.only_our_own_is_written_to,
            self.an_entry_leaves_nothing_behind,
            self.entries_are_spaced,
            self.changes_are_spaced,
            self.the_budget_is_kept,
            self.what_is_gone_is_replaced_once,
            self.reopening_has_an_end,
        )

    def nothing_is_lost(self):
        for seq, case, kind, state, reason, _, _ in self.intents.values():
            parked = self.cases[case][2] and case in self.letters
            settled = state == "delivered" or (state in ("dropped", "dead") and reason)
            if not settled and not (state == "pending" and parked):
                yield f"intent {seq} ({kind}, {self.world.markers.get(seq)}) is {state}, {reason}"
        for case, _, parked, due, _ in self.cases.values():
            if parked and parked != "incident_gone":
                yield f"case {case} is parked: {parked}, after all faults are gone"
            if due is not None:
                yield f"case {case} is due, and nothing comes of it"

    def what_is_delivered_is_told(self):
        for token, (attempt, _, _, kind, state, _, message, *_) in self.attempts.items():
            seqs = self.told[attempt]
            if seqs and not message:
                continue  # the log was full, or its budget used up
            found = self.entry.get(f"[sb:{token}]")
            if found is None and state == "applied" and token in self.world.overwritten:
                continue  # it is still to be looked for
            if seqs and found is None and not self._deleted_without(token) and not self._is_letter(token):
                yield f"{kind} {attempt} ({state}) settled {seqs}, and its entry is nowhere"
            elif seqs and found:
                yield from self._compare(attempt, kind, seqs, found[1])
            elif found and state in ("applied", "confirmed") and not self._twins() and found[0] not in self.world.gone:
                yield f"{kind} {attempt} stands in a log, and settled nothing"

    def _is_letter(self, token):
        return any(f"[sb:{token}]" in detail for detail in self.lost)

    def _deleted_without(self, token):
        """The incident was deleted before the entry, which another save had overwritten, was written again."""
        incidents = {write.incident for write in self.world.writes if f"[sb:{token}]" in write.tokens}
        return token in self.world.overwritten and bool(incidents & self.world.gone.keys())

    def _compare(self, attempt, kind, seqs, text):
        count = int(COUNT.search(text)[1])
        if count != len(seqs):
            yield f"{kind} {attempt} says {count} alerts and settled {seqs}"
        if len(seqs) <= 20:
            markers = Counter(self.world.markers[seq] for seq in seqs if seq in self.world.markers)
            if markers != Counter(MARKER.findall(text)) and len(markers) == len(seqs):
                yield f"{kind} {attempt} settled {sorted(markers)}, and names {MARKER.findall(text)}"

    def nothing_is_told_twice(self):
        for token, times in self.world.standing().items():
            if times > 1:
                yield f"{token} stands {times} times"
        told = Counter(m for log in self.logs.values() for text in log for m in set(MARKER.findall(text)))
        for marker, times in told.items():
            if times > 1 and marker not in self.expired and not self._twins():
                yield f"{marker} is told {times} times"

    def _twins(self):
        return "incident_twin" in self.world.alarms.active

    def one_incident_of_a_case_is_ongoing(self):
        for case, opened in self.opened.items():
            rows = {row.id: row.values for row in self.world._rows()}
            ongoing = [i for _, i in opened if i in rows and rows[i]["operational_status"] == "ongoing"]
            # whoever reopens an old one has two
            reopened = {deed.incident for deed in self.world.deeds if deed.verb == "reopen"}
            if len([i for i in ongoing if i not in reopened]) > 1 and not self._twins():
                yield f"case {case} has the ongoing incidents {ongoing}"

    def people_are_respected(self):
        policy = self.world.profile.policy
        ours = {}
        for write in self.world.writes:
            fields, before = write.request["fields"], write.before
            if write.operation != "core/create" and {"title", "description"} & fields.keys():
                yield f"{write.at}: wrote {sorted(fields)} over incident {write.incident}"
            if write.operation == "core/update" and "urgency" in fields and before["urgency"] != ours[write.incident]:
                yield f"{write.at}: raised an urgency of {before['urgency']} that was a person's"
            if "urgency" in fields:
                ours[write.incident] = fields["urgency"]
            held = before.get("agent_id") not in (None, 0, self.world.our_agent) or before.get("status") == "pending"
            kept = policy.resolve == "never" or (policy.resolve == "unheld" and held)
            if kept and write.request.get("stimulus") in ("ev_assign", "ev_resolve", "ev_autoresolve"):
                yield f"{write.at}: {write.request['stimulus']} on incident {write.incident}, which a person holds"

    def what_people_dealt_with_stays_so(self):
        for write in self.world.writes:
            reopens = write.request.get("stimulus") == "ev_reopen"
            if not reopens and write.operation != "core/create":
                continue
            for token in write.tokens:
                attempt, _, case, kind, *_, sent = self.attempts[_bare(token)]
                seqs = [seq for seq in self.told[attempt] if self.intents[seq][2] == "create"]
                if not seqs:
                    continue
                yield from self._judge_return(write, case, kind, seqs, sent)

    def _judge_return(self, write, case, kind, seqs, sent):
        """Whether something new came after a person had dealt with the incident before."""
        dealt = self._dealt_with(case, write, sent)
        if dealt is None:
            return
        at, incident, closed = dealt
        known = {
            self.world.episodes[seq]
            for token, (attempt, _, of, *_) in self.attempts.items()
            for seq in self.told[attempt]
            if of == case and seq in self.world.episodes and self._landed_before(token, at)
        }
        stateful = [seq for seq in seqs if not self._is_one_shot(seq)]
        old = [seq for seq in stateful if self.world.episodes.get(seq) in known]
        if old and len(old) == len(seqs):
            yield f"{write.at}: a {kind} for {old}, of which a person had disposed with incident {incident}"
        if not closed and all(self.intents[seq][6] <= at for seq in seqs):
            yield f"{write.at}: a {kind} for {seqs}, received before a person resolved incident {incident} at {at}"

    def _dealt_with(self, case, write, sent):
        """When a person last resolved or closed the incident that this write, sent then, returns to or replaces."""
        earlier = [incident for at, incident in self.opened[case] if at < write.at and incident != write.incident]
        incident = write.incident if write.operation != "core/create" else (earlier or [None])[-1]
        deeds = [d for d in self.world.deeds if d.incident == incident and d.at <= sent]
        deeds = [d for d in deeds if d.verb in ("resolve", "close", "reopen", "delete")]
        ours = [
            w.at
            for w in self.world.writes
            if w.incident == incident and w is not write and "stimulus" in w.request and w.at <= write.at
        ]
        if not deeds or deeds[-1].verb in ("reopen", "delete") or any(at > deeds[-1].at for at in ours):
            return None
        if deeds[-1].verb == "close" and any(at <= deeds[-1].at for at in ours[-1:]):
            return None  # it closed what we had resolved
        return deeds[-1].at, incident, deeds[-1].verb == "close"

    def _landed_before(self, token, at):
        return any(f"[sb:{token}]" in write.tokens and write.at < at for write in self.world.writes)

    def _is_one_shot(self, seq):
        alert = self.world.episodes.get(seq, (" ", 0))[0].rpartition(" ")[2]
        return alert in self.world.one_shots

    def nothing_fires_in_what_we_resolved(self):
        if self.world.profile.policy.recurrence == "append":
            return
        for case, incident, parked, _, firing in self.cases.values():
            last = self._last_change(incident)
            if firing and not parked and last in ("ev_resolve", "ev_autoresolve"):
                yield f"case {case}: {firing} alerts fire, and incident {incident} was resolved by us"

    def _last_change(self, incident):
        """The last change of an incident's state: a stimulus of ours, or a person's verb."""
        ours = [
            (w.at, w.request["stimulus"])
            for w in self.world.writes
            if w.incident == incident and "stimulus" in w.request
        ]
        theirs = [
            (d.at, d.verb)
            for d in self.world.deeds
            if d.incident == incident and d.verb not in ("title", "log", "urgency")
        ]
        return max([*ours, *theirs], default=(0, ""))[1]

    def what_ended_is_resolved(self):
        if self.world.profile.policy.resolve == "never":
            return
        rows = {row.id: row.values for row in self.world._rows()}
        for case, incident, parked, _, firing in self.cases.values():
            touched = any(deed.incident == incident for deed in self.world.deeds)
            last = max((row for row in self.intents.values() if row[1] == case), default=None)
            ended = last is not None and last[2] == "resolve" and last[3] == "delivered" and not firing
            ended = ended and case not in self.forgotten
            if ended and not parked and not touched and rows[incident]["operational_status"] == "ongoing":
                yield f"case {case}: nothing fires, and incident {incident} is {rows[incident]['status']}"

    def what_the_siem_says_is_so(self):
        """By the SIEM's own words, not by what the journal made of them."""
        policy = self.world.profile.policy
        groups = {group: case for case, group in self.groups.items()}
        for case, incident, parked, *_ in self.cases.values():
            told = [each for each in self.world.told.values() if groups.get(each.case) == case]
            firing = [each for each in told if each.state == "firing" and not self._is_expired(each)]
            row = self.world.simulator.store.get("Incident", incident or 0)
            if row is None or parked or not told:
                continue
            last = self._last_change(incident)
            if firing and last in ("ev_resolve", "ev_autoresolve") and policy.recurrence != "append":
                yield f"case {case}: incident {incident} was resolved by us, and {len(firing)} alerts fire"
            touched = any(deed.incident == incident for deed in self.world.deeds)
            forgotten = any(each.state == "firing" for each in told) and policy.expired == "note"
            ongoing = row.values["operational_status"] == "ongoing" and not self._holds_others(case, told)
            if not firing and ongoing and not touched and not forgotten and policy.resolve != "never":
                yield f"case {case}: all its alerts have ended, and incident {incident} is {row.values['status']}"

    def _is_expired(self, told):
        return told.at < self.world.now - self.world.profile.policy.firing_expires

    def _holds_others(self, case, told):
        """Whether an alert of the case never ends, or ended as another case's."""
        names = {name for name, each in self.world.told.items() if each in told}
        mine = [seq for seq, row in self.intents.items() if row[1] == case and row[2] != "resolve"]
        return any(self.world.episodes.get(seq, ("",))[0] not in names for seq in mine)

    def what_fires_later_is_seen(self):
        """Something new came after a person had resolved or closed: it is not left in there."""
        policy = self.world.profile.policy
        for case, incident, parked, *_ in self.cases.values():
            deeds = [d for d in self.world.deeds if d.incident == incident and d.verb in ("resolve", "close")]
            if not deeds or parked or policy.recurrence == "append" or self._last_change(incident) != deeds[-1].verb:
                continue
            grace = policy.resolve_grace if deeds[-1].verb == "resolve" else 0.0
            for _, name, received in self.firing[case]:
                if received > deeds[-1].at + grace + 1.0:
                    yield f"case {case}: {name} fires, and incident {incident} was dealt with before"

    def a_case_goes_on_where_it_was_told(self):
        for case, incident, *_ in self.cases.values():
            creates = [row for row in self.attempts.values() if row[2] == case and row[3] == "create"]
            told = [self.entry.get(f"[sb:{row[1]}]", (None,))[0] for row in creates if self.told[row[0]]]
            if told and incident is not None and told[-1] not in (None, incident):
                yield f"case {case} was told in incident {told[-1]}, and goes on in {incident}"

    def only_our_own_is_written_to(self):
        ours = {write.incident for write in self.world.writes if write.operation == "core/create"}
        for write in self.world.writes:
            if write.incident not in ours:
                yield f"{write.at}: wrote to incident {write.incident}, which is not ours"

    def an_entry_leaves_nothing_behind(self):
        """All that a case owes is told in one entry."""
        for attempt, _, case, kind, *_, sent in self.attempts.values():
            told = self.told[attempt] if kind == "append" else []
            left = [
                seq
                for seq, of, _, state, _, _, received in self.intents.values()
                if told and of == case and seq > max(told) and received < sent - _CLOCK_S and state == "delivered"
            ]
            if left:
                yield f"append {attempt} told {told}, and left {left}"

    def entries_are_spaced(self):
        policy = self.world.profile.policy
        for writes in self._writes_by_incident():
            for before, write in pairwise(writes):
                plain = write.operation == "core/update" and "urgency" not in write.request["fields"]
                if plain and self._sent(write) - self._sent(before) < policy.group_interval - _CLOCK_S:
                    yield f"{write.at}: an entry {self._sent(write) - self._sent(before):.1f} s after the last"

    def changes_are_spaced(self):
        policy = self.world.profile.policy
        for writes in self._writes_by_incident():
            changes = [w for w in writes if w.operation != "core/update" or "urgency" in w.request["fields"]]
            for before, write in pairwise(changes):
                if self._sent(write) - self._sent(before) < policy.spacing - _CLOCK_S:
                    yield f"{write.at}: a change {self._sent(write) - self._sent(before):.1f} s after the last"

    def _writes_by_incident(self):
        """What was written to each incident, without what was written once more, or as a note."""
        first = {}
        for write in self.world.writes:
            for token in write.tokens:
                first.setdefault(token, write)
        grouped = defaultdict(list)
        for write in first.values():
            grouped[write.incident].append(write)
        return grouped.values()

    def _sent(self, write):
        return self.attempts[_bare(write.tokens[0])][8]

    def the_budget_is_kept(self):
        for incident, log in self.logs.items():
            ours = [text for text in log if TOKEN.search(text)]
            if len(ours) > self.world.profile.policy.log_budget:
                yield f"{len(ours)} entries in incident {incident}"

    def what_is_gone_is_replaced_once(self):
        within = self.world.profile.policy.reopen_within
        for case, opened in self.opened.items():
            replaced = [at for (_, before), (at, _) in pairwise(opened) if self._is_gone_since(before, at)]
            if any(later - at < within for at, later in pairwise(replaced)):
                yield f"case {case}: what was gone was replaced at {replaced}"

    def _is_gone_since(self, incident, at):
        """Whether a person deleted it before; whoever deletes what is not verified yet makes another one (DESIGN 2)."""
        (write,) = (w for w in self.world.writes if w.operation == "core/create" and w.incident == incident)
        proved = self.attempts[_bare(write.tokens[0])][4] in ("applied", "confirmed")
        deleted = any(d.verb == "delete" and d.incident == incident and d.at <= at for d in self.world.deeds)
        return deleted and proved

    def reopening_has_an_end(self):
        reopened = Counter(w.incident for w in self.world.writes if w.request.get("stimulus") == "ev_reopen")
        for incident, times in reopened.items():
            if times > self.world.profile.policy.max_reopens:
                yield f"incident {incident} was reopened {times} times"

    def tenants_stay_apart(self):
        for row in self.world._rows():
            code = self.world.simulator.store.get("Organization", row.values["org_id"]).values["code"]
            for marker in MARKER.findall(str(self.logs[row.id]) + row.values["description"]):
                if self.world.tenants[marker] != code:
                    yield f"{marker} of {self.world.tenants[marker]} is told in incident {row.id} of {code}"

    def calls_are_bounded(self):
        calls, stirs = len(self.world.simulator.calls), self.world.stirs + 4 * self.world.deaths
        if calls > CALLS_OF_AN_ACT * stirs + 40:
            yield f"{calls} calls for {stirs} acts"


def _judge(*judges):
    for judge in judges:
        for wrong in judge():
            yield f"{judge.__name__}: {wrong}"


def _bare(token):
    return token.removeprefix("[sb:").removesuffix("]")
