"""What the bridge expects of an iTop, held against one: a list of calls with what each should come to.

Everything that it makes has one marker in its description, by which it is found and removed again.
"""

import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import aiohttp

from itop_bridge.itop.answer import Answer, parse_answer, translate_exception
from itop_bridge.itop.client import Connection, encode_operation
from itop_bridge.itop.error import (
    ConditionError,
    FieldError,
    ITopError,
    NotAllowedError,
    ObjectGoneError,
    RequestError,
    StimulusError,
    TooLongError,
)
from itop_bridge.itop.lifecycle import Phase, phase_of, reopen_stimulus, resolve_stimulus
from itop_bridge.itop.operation import Key, Operations
from itop_bridge.itop.oql import all_of, any_of, contains, equals, ids, lacks, select, starts_with
from itop_bridge.simulator.recording import describe_request, describe_response

Record = Callable[[Mapping[str, Any]], None]

_COMMENT = "itop-bridge record: a test of the REST API"
_ABSENT = 999_999_999
_ENTRY = "a <b>tag</b>, an ampersand &,\na second line and ü 漢 🔥"
"""A log entry that shows whether text is kept as text."""


class Site(Operations):
    """An iTop on the network, as the client of the bridge calls it, but each exchange can be recorded."""

    def __init__(self, connection: Connection, record: Record) -> None:
        self._connection = connection
        self._record = record

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._connection.ca_file)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._connection.timeout_s),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            connector=aiohttp.TCPConnector(ssl=context),
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()

    async def call(self, operation: Mapping[str, Any]) -> Answer:
        """One call. Raises one ITopError."""
        to = self._connection
        query = {"version": to.version}
        form = {"auth_user": to.user, "auth_pwd": to.password, "json_data": encode_operation(operation)}
        asked = describe_request("POST", urlsplit(to.endpoint).path, query, form)
        data = io.BytesIO(urlencode(form).encode())
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            sending = self._session.post(to.endpoint, params=query, data=data, headers=headers, allow_redirects=False)
            async with sending as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            self._record({"request": asked, "response": None})
            raise translate_exception(error) from error
        self._record({"request": asked, "response": describe_response(response.status, response.headers, body)})
        return parse_answer(response.status, response.headers, body, operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is tried out: tickets of a class, in an organisation."""

    iclass: str
    organization: str
    """Its code or its name."""
    marker: str
    """A text that is nowhere else in this iTop."""
    fields: Mapping[str, Any]
    """What the site's data model wants beside the organisation, title and description."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one call came to."""

    name: str
    expected: str
    agrees: bool
    answered: str
    answer: Answer | None
    """None if it failed."""


@dataclass(frozen=True, slots=True)
class _Expectation:
    text: str
    holds: Callable[[Answer | ITopError], bool]


def _answers(text: str, holds: Callable[[Answer], bool]) -> _Expectation:
    return _Expectation(text, lambda outcome: isinstance(outcome, Answer) and holds(outcome))


def _shows(text: str, holds: Callable[[Mapping[str, Any]], bool]) -> _Expectation:
    """An answer of one object, of whose fields something holds."""
    return _answers(text, lambda answer: len(answer.objects) == 1 and holds(answer.objects[0].fields))


def _refuses(kind: type[ITopError], **facts: Any) -> _Expectation:
    """An error of exactly that class, with those attributes."""
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    return _Expectation(
        f"{kind.__name__}{f' ({told})' if told else ''}",
        lambda outcome: type(outcome) is kind and all(getattr(outcome, name) == facts[name] for name in facts),
    )


def _finds(count: int) -> _Expectation:
    return _answers(f"Found: {count}", lambda answer: answer.total == count == len(answer.objects))


def _is_in(phase: Phase) -> _Expectation:
    return _shows(
        f"the ticket is {phase.value}",
        lambda shown: phase_of(str(shown.get("status")), str(shown.get("operational_status"))) is phase,
    )


_ANSWERS = _answers("code 0", lambda _: True)
_WRITES = _shows("one object written", lambda _: True)


class Probe:
    """The calls, in their order. `findings` may be left at any time; `clean_up` must follow."""

    def __init__(self, site: Operations, subject: Subject) -> None:
        self._site = site
        self._subject = subject
        self.may_have_written = False

    async def findings(self) -> AsyncIterator[Finding]:
        """Each call with what it came to; ends early where the rest would be meaningless."""
        yield (finding := await self._expect("log in", self._site.check(), _ANSWERS))
        if finding.answer is None:
            return
        nothing = self._site.fetch(self._subject.iclass, _ABSENT, "id")
        yield (finding := await self._expect("get by an id that is not there", nothing, _finds(0)))
        if finding.answer is None:
            return  # no such class
        async for finding in self._reads():
            yield finding
        yield (finding := await self._expect("get the organisation", self._organization(), _finds(1)))
        if finding.answer is None or not finding.answer.objects:
            return
        org_id = finding.answer.objects[0].key
        self.may_have_written = True  # also a create that iTop must refuse may be taken
        async for finding in self._refusals(org_id):
            yield finding
        yield (finding := await self._expect("create with an entry in both logs", self._create(org_id), _WRITES))
        if finding.answer is None:
            return
        key = finding.answer.objects[0].key
        for part in (self._searches, self._writes, self._life):
            async for finding in part(key):
                yield finding

    async def _reads(self) -> AsyncIterator[Finding]:
        iclass = self._subject.iclass
        no_attribute = _refuses(FieldError, field="no_such_attribute", reason="unknown_attribute")
        unknown = _refuses(RequestError)
        gets: tuple[tuple[str, str, Key, str, _Expectation], ...] = (
            ("get by a text that is not there", iclass, self._marked(), "id", _finds(0)),
            ("get of an unknown attribute", iclass, 0, "id,no_such_attribute", no_attribute),
            ("get of an unknown class", "NoSuchClass", 1, "id", unknown),
        )
        for name, of, key, output_fields, expectation in gets:
            yield await self._expect(name, self._site.fetch(of, key, output_fields), expectation)

    async def _refusals(self, org_id: int) -> AsyncIterator[Finding]:
        """Creates that iTop must refuse, with the words by which the bridge knows why."""
        none = f"no-such-{self._subject.marker}"
        query = select("Organization", equals("code", none))
        long_text = f"{self._subject.marker} {'x' * 70_000}"
        not_found = _refuses(FieldError, field="org_id", reason="not_found")
        unknown_value = _refuses(FieldError, field="urgency", reason="value_not_allowed")
        unknown_attribute = _refuses(FieldError, field="no_such_attribute", reason="unknown_attribute")
        for name, fields, expectation in (
            ("an unknown organisation, by id", {"org_id": _ABSENT}, not_found),
            ("an unknown organisation, by code", {"org_id": {"code": none}}, not_found),
            ("an unknown organisation, by a query", {"org_id": query}, not_found),
            ("an unknown value", {"urgency": "none"}, unknown_value),
            ("an unknown attribute", {"no_such_attribute": "x"}, unknown_attribute),
            ("no title", {"title": ""}, _refuses(FieldError, field="title", reason="null_not_allowed")),
            ("a title that is too long", {"title": "x" * 300}, _refuses(TooLongError, field="title")),
            ("a text that is too long", {"description": long_text}, _refuses(TooLongError, field="description")),
        ):
            create = self._site.create(self._subject.iclass, self._fields(org_id, **fields), comment=_COMMENT)
            yield await self._expect(f"create with {name}", create, expectation)

    async def _searches(self, key: int) -> AsyncIterator[Finding]:
        iclass, site = self._subject.iclass, self._site
        yield await self._expect("get by id", site.fetch(iclass, key, "id,ref,status"), _finds(1))
        yield await self._expect("get by IN", site.fetch(iclass, ids(iclass, [key, _ABSENT]), "id"), _finds(1))
        for name, condition in (
            ("LIKE on the title", starts_with("title", f"[{self._subject.marker}]")),
            ("LIKE on public_log", contains("public_log", self._token("created"))),
            ("LIKE on private_log", contains("private_log", self._token("created"))),
        ):
            found = site.fetch(iclass, select(iclass, condition), "id")
            yield await self._expect(f"get by {name}", found, _finds(1))
        kept = _shows("the text as it was sent", lambda shown: _first_message(shown).startswith(_ENTRY))
        yield await self._expect("read the entry", site.fetch(iclass, key, "id,public_log"), kept)

    async def _writes(self, key: int) -> AsyncIterator[Finding]:
        status, last_update = await self._read(key, "status", "last_update")
        for name, condition, expectation in (
            ("that holds", equals("status", status), _WRITES),
            ("that does not hold", equals("status", "no-such-status"), _refuses(ConditionError)),
            ("on last_update as it was read", equals("last_update", last_update), _WRITES),
        ):
            # nothing changes, and so last_update does not move (transcript 537)
            update = self._update(self._only(key, condition))
            yield await self._expect(f"update under a condition {name}", update, expectation)
        free = self._only(key, lacks("public_log", self._token("once")))
        once = {"add_item": {"message": f"entry {self._token('once')}", "format": "text"}}
        append = self._update(free, public_log=once)
        yield await self._expect("append an entry unless it is there", append, _WRITES)
        append = self._update(free, public_log=once)
        yield await self._expect("the same again", append, _refuses(ConditionError))
        mixed = self._update(key, title="changed", urgency="none")
        refused = _refuses(FieldError, field="urgency", reason="value_not_allowed")
        yield await self._expect("update with one good and one bad value", mixed, refused)
        kept = _shows("the old title", lambda shown: shown.get("title") != "changed")
        title = self._site.fetch(self._subject.iclass, key, "id,title")
        yield await self._expect("the good one is not written either", title, kept)
        gone = self._update(_ABSENT, title="changed")
        yield await self._expect("update of an id that is not there", gone, _refuses(ObjectGoneError))

    async def _life(self, key: int) -> AsyncIterator[Finding]:
        """Resolve and reopen, by the stimuli that the bridge would choose."""
        iclass, unknown = self._subject.iclass, self._stimulate(key, "ev_no_such_stimulus")
        yield await self._expect("a stimulus that is not there", unknown, _refuses(StimulusError))
        (status,) = await self._read(key, "status")
        stimulus = resolve_stimulus(iclass, status) or "ev_resolve"
        resolved = self._resolve(key, stimulus)
        yield (finding := await self._expect(f"resolve with {stimulus}", resolved, _is_in(Phase.RESOLVED)))
        if finding.answer is None:
            return
        status = str(finding.answer.objects[0].fields.get("status"))
        again = self._resolve(key, "ev_resolve")
        yield await self._expect("ev_resolve again", again, _refuses(StimulusError, state=status))
        back = reopen_stimulus(iclass, status) or "ev_reopen"
        yield await self._expect(f"reopen with {back}", self._stimulate(key, back), _is_in(Phase.ONGOING))

    async def clean_up(self) -> AsyncIterator[str]:
        """Delete what was made, or close it where the user may not; tells what became of each. Raises ITopError."""
        found = await self._site.fetch(self._subject.iclass, self._marked(), "id,ref,status,description")
        for made in found.objects:
            if self._subject.marker not in str(made.fields.get("description")):
                continue  # whatever the query may have found, this is not ours to touch
            name = f"{made.iclass}::{made.key} ({made.fields.get('ref')})"
            try:
                await self._site.call(
                    {"operation": "core/delete", "class": made.iclass, "comment": _COMMENT, "key": made.key}
                )
                yield f"{name}: deleted"
            except NotAllowedError:
                yield f"{name}: {await self._close(made.key, str(made.fields.get('status')))}"

    async def _close(self, key: int, status: str) -> str:
        try:
            if stimulus := resolve_stimulus(self._subject.iclass, status):
                await self._resolve(key, stimulus)
            await self._stimulate(key, "ev_close")
        except ITopError as error:
            return f"NOT closed, do it by hand: {error}"
        return "closed (this user may not delete)"

    async def _expect(self, name: str, call: Awaitable[Answer], expectation: _Expectation) -> Finding:
        try:
            answer = await call
        except ITopError as error:
            told = f"{type(error).__name__}: {error}"
            return Finding(name, expectation.text, expectation.holds(error), told, None)
        shown = [dict(each.fields) for each in answer.objects]
        told = f"{answer.message or 'code 0'} {shown}"[:300]
        return Finding(name, expectation.text, expectation.holds(answer), told, answer)

    async def _read(self, key: int, *codes: str) -> list[str]:
        answer = await self._site.fetch(self._subject.iclass, key, ",".join(codes))
        return [str(answer.objects[0].fields[code]) for code in codes]

    def _organization(self) -> Awaitable[Answer]:
        named = [equals(code, self._subject.organization) for code in ("code", "name")]
        return self._site.fetch("Organization", select("Organization", any_of(named)), "id,name")

    def _create(self, org_id: int) -> Awaitable[Answer]:
        entry = {"add_item": {"message": f"{_ENTRY}\n{self._token('created')}", "format": "text"}}
        fields = self._fields(org_id, public_log=entry, private_log=entry)
        return self._site.create(self._subject.iclass, fields, comment=_COMMENT)

    def _update(self, key: Key, **fields: Any) -> Awaitable[Answer]:
        return self._site.update(self._subject.iclass, key, fields, comment=_COMMENT)

    def _resolve(self, key: int, stimulus: str) -> Awaitable[Answer]:
        return self._stimulate(key, stimulus, solution="a test of the REST API", resolution_code="other")

    def _stimulate(self, key: int, stimulus: str, **fields: str) -> Awaitable[Answer]:
        shown = "id,status,operational_status"
        iclass = self._subject.iclass
        return self._site.apply_stimulus(iclass, key, stimulus, fields, comment=_COMMENT, output_fields=shown)

    def _only(self, key: int, condition: str) -> str:
        return select(self._subject.iclass, all_of([f"id = {key}", condition]))

    def _marked(self) -> str:
        return select(self._subject.iclass, contains("description", self._subject.marker))

    def _token(self, word: str) -> str:
        return f"[{self._subject.marker}:{word}]"

    def _fields(self, org_id: int, /, **fields: Any) -> dict[str, Any]:
        marker = self._subject.marker
        title = f"[{marker}] a test of the REST API, please ignore"
        return {"org_id": org_id, "title": title, "description": f"<p>{marker}</p>", **self._subject.fields, **fields}


def _first_message(shown: Mapping[str, Any]) -> str:
    entries = (shown.get("public_log") or {}).get("entries") or [{}]
    return str(entries[0].get("message"))
