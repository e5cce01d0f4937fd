"""What happened in iTop: every change that the bridge's calls made, and every act of a person."""

import asyncio
import contextlib
import re
from dataclasses import dataclass
from unittest import mock

from itop_bridge.simulator import operation

TOKEN = re.compile(r"\[sb:([0-9a-f]{16})\]")
_WRITES = ("core/create", "core/update", "core/apply_stimulus")


@dataclass(frozen=True, slots=True)
class Glimpse:
    """An incident as it was at a moment."""

    status: str = ""
    agent: int = 0
    urgency: str = ""

    @property
    def is_ongoing(self):
        return self.status not in ("", "resolved", "closed")

    @property
    def is_held(self):
        """The bridge sets no agent in these runs: whoever is there is a person."""
        return bool(self.agent) or self.status == "pending"


@dataclass(frozen=True, slots=True)
class Write:
    """A change by a call of the bridge's."""

    at: float
    """Seconds since the epoch."""
    operation: str
    incident: int
    before: Glimpse
    ongoing: frozenset[int] = frozenset()
    """Of a create: the incidents that were ongoing then."""
    stimulus: str = ""
    urgency: str = ""
    entry: str = ""
    """The log entry."""

    @property
    def token(self):
        found = TOKEN.findall(self.entry)
        return found[-1] if found else ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person did."""

    at: float
    verb: str
    incident: int


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it is at the end."""

    id: int
    ref: str
    org: str
    """Its organisation's code."""
    status: str
    entries: tuple[str, ...]
    """The public log's, oldest first."""
    text: str
    """Title, description and solution."""


class Witness:
    """Stands beside a simulator."""

    def __init__(self, simulator):
        self._simulator = simulator
        self.writes = []
        self.deeds = []
        self.wrote = asyncio.Event()
        """Set by each write."""
        self.busy = 0
        """Calls that are being carried out at this moment."""

    @contextlib.contextmanager
    def watching(self):
        """Record what calls change. There is one table of operations for all simulators of a process."""
        watched = {
            verb: (told, self._watched(verb, carry_out)) if verb in _WRITES else (told, carry_out)
            for verb, (told, carry_out) in operation.VERBS.items()
        }
        with mock.patch.dict(operation.VERBS, watched):
            yield

    def note_deed(self, verb, incident):
        self.deeds.append(Deed(self._simulator.clock(), verb, incident))

    def incidents(self):
        """All that there are, by id."""
        codes = {each["id"]: each["code"] for each in self._simulator.objects("Organization")}
        return {
            each["id"]: Incident(
                each["id"],
                each["ref"],
                codes[int(each["org_id"])],
                each["status"],
                tuple(entry["message"] for entry in each["public_log"]),
                f"{each['title']}\n{each['description']}\n{each['solution']}",
            )
            for each in self._simulator.objects("Incident")
        }

    def _watched(self, verb, carry_out):
        async def watch(context, request):
            before = self._glimpses()
            self.busy += 1
            try:
                reply = await carry_out(context, request)
            finally:
                self.busy -= 1
            if context.wrote:
                self._note(verb, request, reply, before)
            return reply

        return watch

    def _note(self, verb, request, reply, before):
        (shown,) = reply["objects"].values()
        self.wrote.set()
        fields = request["fields"]
        incident = int(shown["key"])
        creates = verb == "core/create"
        self.writes.append(
            Write(
                self._simulator.clock(),
                verb,
                incident,
                before.get(incident, Glimpse()),
                frozenset(each for each, glimpse in before.items() if creates and glimpse.is_ongoing),
                request.get("stimulus", ""),
                fields.get("urgency", ""),
                fields.get("public_log", {}).get("add_item", {}).get("message", ""),
            )
        )

    def _glimpses(self):
        return {
            row.id: Glimpse(row.values["status"], int(row.values["agent_id"] or 0), str(row.values["urgency"]))
            for row in self._simulator.store.scan("Incident")
        }
