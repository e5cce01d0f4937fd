"""Does iTop have what a route wants to write? Asked at the start, with a user's rights, and without writing anything.

A site's data model may lack the class, an attribute, a value of an enumeration or a reference, or have mandatory
attributes of its own. Every mismatch is told at once, before the first alert finds it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from itop_bridge.delivery.asset import list_fields
from itop_bridge.delivery.operation import CI_LIST, COMMENT
from itop_bridge.delivery.reading import FIELDS
from itop_bridge.intent import Cmdb, Writing
from itop_bridge.itop import oql
from itop_bridge.itop.error import (
    FieldError,
    NotAllowedError,
    PermanentError,
    RequestError,
    TransientError,
    UncertainError,
)
from itop_bridge.itop.gate import Gate
from itop_bridge.itop.operation import Operations
from itop_bridge.log import Alarms

log = structlog.get_logger(__name__)

_ASK_AGAIN_S = 5.0
_LONGEST_DETAIL = 2_000
_TEXTS = ("org_id", "title", "description")
"""What the trial create leaves out or empty, so that iTop refuses it whatever else it holds (transcript 073)."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What iTop does not have. `attribute` is empty if it is the class itself, and a setting (`cmdb.classes`) if it is
    nothing of the incident."""

    attribute: str
    detail: str


Trials = dict[tuple[object, ...], list[Mismatch]]


@dataclass(frozen=True, slots=True)
class Question:
    """A route, what it writes, and where the configuration says so: `place(attribute)` is file, line and column."""

    route: str
    writing: Writing
    place: Callable[[str], str]


class Survey:
    """Asks once iTop can be reached, at the start and whenever the configuration was read again."""

    def __init__(
        self, gate: Gate, alarms: Alarms, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._gate = gate
        self._alarms = alarms
        self._sleep = sleep
        self._questions: Sequence[Question] = ()
        self._asked = asyncio.Event()

    def ask(self, questions: Sequence[Question]) -> None:
        """Survey these; `run` does it."""
        self._questions = questions
        self._asked.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            trials: Trials = {}
            self._tell([each for question in self._questions for each in await self._answer(question, trials)])

    async def _answer(self, question: Question, trials: Trials) -> list[str]:
        while True:
            try:
                found = await find_mismatches(self._gate, question.writing, trials)
            except (TransientError, UncertainError):
                await self._sleep(_ASK_AGAIN_S)  # iTop is away; the gate knows when it is back
                await self._gate.wait_open()
            else:
                return [f"{question.place(each.attribute)}: {question.route}: {each.detail}" for each in found]

    def _tell(self, mismatches: list[str]) -> None:
        for mismatch in mismatches:
            log.error("configuration.mismatched", mismatch=mismatch)
        if mismatches:
            self._alarms.raise_("itop_mismatch", detail="; ".join(mismatches)[:_LONGEST_DETAIL])
        else:
            self._alarms.clear("itop_mismatch")


async def find_mismatches(gate: Operations, writing: Writing, trials: Trials) -> list[Mismatch]:
    """Every mismatch between a writing and iTop's data. Raises ITopError if iTop does not answer.

    `trials` keeps what trial creates told, since each costs iTop a number: routes that write the same share it.
    """
    missing = [each async for each in _find_missing_attributes(gate, writing)]
    if any(not each.attribute for each in missing):
        return missing
    unknown = {each.attribute for each in missing}
    missing += [each async for each in _find_missing_cmdb(gate, writing.cmdb)] if writing.cmdb else []
    references = [each async for each in _find_missing_references(gate, writing, unknown)]
    key = (writing.iclass, writing.origin, writing.fields)
    if key not in trials:
        trials[key] = await _find_refused_values(gate, writing, unknown)
    return [*missing, *references, *trials[key]]


async def _find_missing_attributes(gate: Operations, writing: Writing) -> AsyncIterator[Mismatch]:
    wanted = list(dict.fromkeys([*FIELDS.split(","), writing.log, "description", "solution", *_written(writing)]))
    while True:
        try:
            # no object has this id: only the names are looked at (transcripts 194, 211)
            await gate.fetch(writing.iclass, 0, ",".join(wanted))
        except FieldError as error:
            if error.field not in wanted:
                raise
            wanted.remove(error.field)
            yield Mismatch(error.field, f"iTop's class {writing.iclass} has no attribute {error.field}")
        except RequestError as error:
            yield Mismatch("", f"iTop has no class {writing.iclass}, or does not show it: {error}")
            return
        else:
            return


async def _find_missing_cmdb(gate: Operations, cmdb: Cmdb) -> AsyncIterator[Mismatch]:
    """The classes and attributes by which CIs are looked up."""
    for place, iclass in enumerate(cmdb.classes):
        wanted = [*list_fields(cmdb).split(","), *(name for name, _ in cmdb.where)]
        while wanted:
            try:
                await gate.fetch(iclass, 0, ",".join(wanted))
            except FieldError as error:
                if error.field not in wanted:
                    raise
                wanted.remove(error.field)
                yield Mismatch(_place_in(cmdb, error.field), f"iTop's class {iclass} has no attribute {error.field}")
            except (PermanentError, NotAllowedError) as error:
                yield Mismatch(f"cmdb.classes[{place}]", f"iTop has no class {iclass}, or does not show it: {error}")
                break
            else:
                break


def _place_in(cmdb: Cmdb, attribute: str) -> str:
    for setting, pairs in (("match", cmdb.match), ("where", cmdb.where)):
        if attribute in dict(pairs):
            return f"cmdb.{setting}.{attribute}"
    return "cmdb.team" if attribute == cmdb.team else "cmdb.classes"


async def _find_missing_references(gate: Operations, writing: Writing, unknown: set[str]) -> AsyncIterator[Mismatch]:
    for attribute, iclass, name in writing.references:
        if attribute in unknown:
            continue
        key = "friendlyname" if iclass == "Person" else "name"
        answer = await gate.fetch(iclass, oql.select(iclass, oql.equals(key, name)), "id", limit=2)
        if len(answer.objects) != 1:
            count = "no" if not answer.objects else "more than one"
            yield Mismatch(attribute, f"iTop shows the bridge's user {count} {iclass} called {name!r}")


async def _find_refused_values(gate: Operations, writing: Writing, unknown: set[str]) -> list[Mismatch]:
    """By a create that iTop must refuse, since it has no title: it names every value that it does not take, and every
    attribute that it wants. Nothing is made (transcripts 067-073, 082)."""
    fields = {name: value for name, value in dict(writing.fields).items() if name not in unknown}
    if writing.origin and "origin" not in unknown:
        fields["origin"] = writing.origin
    try:
        await gate.create(writing.iclass, {**fields, "title": ""}, comment=COMMENT, output_fields="id")
    except FieldError as error:
        return list(_read_issues(writing, error, fields))
    except (NotAllowedError, PermanentError) as error:
        return [Mismatch("", f"iTop would not let the bridge create objects of the class {writing.iclass}: {error}")]
    return []


def _read_issues(writing: Writing, error: FieldError, fields: dict[str, object]) -> Iterator[Mismatch]:
    for field, reason in error.issues or ((error.field, error.reason),):
        if field in _TEXTS:
            continue
        if reason == "null_not_allowed" and field not in fields:
            yield Mismatch(field, f"iTop wants {field} in each {writing.iclass}: give it under settings.fields")
        elif field in fields:
            yield Mismatch(field, f"iTop does not take {fields[field]!r} for {field} ({reason.replace('_', ' ')})")


def _written(writing: Writing) -> list[str]:
    origin = ["origin"] if writing.origin else []
    references = [attribute for attribute, _, _ in writing.references]
    attached = [CI_LIST] if writing.cmdb else []
    return [*references, *(name for name, _ in writing.fields), *origin, *attached, "impact", "resolution_code"]
