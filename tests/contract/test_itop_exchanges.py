"""The simulator answers as real iTops were recorded to answer: the recorded exchanges, replayed in order.

Recorded were iTop 3.2.0, 2.7.11, and 3.2.0 without the class Incident. `itop_exchanges.jsonl` holds one exchange a
line; `before` makes objects that the recording found already there, `fresh` is a new installation of that version and
install, `left_out` says why an exchange cannot be replayed. Compared are the HTTP status, the content type, `code`,
`message`, the objects in their order, and every field that the recording shows, but for stopwatches. The clock follows
the dates of the recording, so that dates are compared as they are. What differs is told in docs/simulator.md.
"""

import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import aiohttp

from itop_bridge.simulator.account import REST
from itop_bridge.simulator.fault import Fault
from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

EXCHANGES = Path(__file__).with_name("itop_exchanges.jsonl")
AGREE_AT_LEAST = 0.99
"""The share of the replayed exchanges that agree; raise it, never lower it."""

STOPWATCHES = {"tto", "ttr", "cumulatedpending", "time_spent", "tto_escalation_deadline", "ttr_escalation_deadline"}
CONTENT_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
PARIS = ZoneInfo("Europe/Paris")
GAPLESS_UNTIL = 440
"""After this one the recording made objects that it does not show: ids and references then jump."""


class Replay:
    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client
        self.now = 0.0
        self.stack = AsyncExitStack()

    async def restart(self, version: str = "3.2", install: str = "itil") -> None:
        """A new installation."""
        await self.stack.aclose()
        self.now = 0.0
        self.itop = f"iTop {version} {install}"
        self.simulator = Simulator(lambda: self.now, version=version, install=install, database_zone="UTC")
        self.simulator.accounts["admin"].profiles -= {REST}  # as it was where the recording was made
        self.url = await self.stack.enter_async_context(serve(self.simulator))

    async def make(self, before: dict) -> None:
        """What the recording found already there: an object, a write that it does not show, or a ticket number."""
        if "at" in before:
            self.now = epoch(before["at"])
        number = before.get("ref", 0) - 1 if "ref" in before else before.get("ticket_count")
        if number is not None:
            self.simulator.store.ticket_count = number
        if "class" in before:
            self.simulator.store.skip_ids(before["class"], before["id"])
        request = before.get("request", {"operation": "core/create", **before})
        if "class" in request:
            request |= {"comment": "before", "output_fields": "id"}
            _, _, body = await self.send({"form": {"json_data": request}})
            assert json.loads(body)["code"] == 0, body

    def jump(self, iclass: str, object_id: int, ref: int | None) -> None:
        store = self.simulator.store
        store.skip_ids(iclass, object_id)
        store.ticket_count = max(store.ticket_count, (ref or 0) - 1)

    def follow(self, exchange: dict) -> None:
        """Set the clock, and where the recording jumps, the next id and number."""
        request = exchange.get("form", {}).get("json_data")
        answer = exchange["body"]
        if not isinstance(request, dict) or not isinstance(answer, dict) or request.get("operation") == "core/get":
            return
        for shown in (answer.get("objects") or {}).values():
            self.now = max([self.now, *map(epoch, find_dates(shown["fields"]))])
            if exchange["n"] > GAPLESS_UNTIL and request["operation"] == "core/create":
                number = re.fullmatch(r"[IR]-(\d+)", shown["fields"].get("ref", ""))
                self.jump(shown["class"], int(shown["key"]), int(number[1]) if number else None)

    async def send(self, exchange: dict) -> tuple[int, str, str]:
        login = exchange.get("user", "rest_admin")
        account = self.simulator.accounts.get(login)
        password = account.password if account and exchange.get("auth") != "bad" else "wrong"
        headers = dict(exchange.get("headers", {}))
        if exchange.get("auth", "basic") in ("basic", "bad"):
            headers["Authorization"] = aiohttp.encode_basic_auth(login, password)
        async with self.client.request(
            exchange.get("method", "POST"),
            self.url + exchange.get("path", "/webservices/rest.php"),
            params=fill_in(exchange.get("query", {"version": "1.3"}), password),
            data=self.body(exchange, password),
            headers=CONTENT_TYPE | headers
            if exchange.get("method", "POST") == "POST" and "files" not in exchange
            else headers,
        ) as response:
            kind = response.headers["Content-Type"]
            return response.status, kind, (await response.read()).decode("utf-8", "surrogateescape")

    def body(self, exchange: dict, password: str) -> io.BytesIO | aiohttp.FormData | bytes:
        raw = exchange.get("raw_body", "")
        if raw:
            return raw[2:-1].encode() if raw.startswith("b'") else raw.encode()
        if "files" in exchange:
            form = aiohttp.FormData()
            as_file = {"filename": "request.json"} if exchange["name"].endswith("multipart") else {}
            form.add_field("json_data", '{"operation": "list_operations"}', content_type="application/json", **as_file)
            return form
        if "deep" in exchange:
            return io.BytesIO(urlencode({"json_data": "[" * exchange["deep"] + "]" * exchange["deep"]}).encode())
        return io.BytesIO(urlencode(fill_in(exchange.get("form", {}), password)).encode())


def epoch(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=PARIS).timestamp()


def find_dates(fields: dict) -> Iterator[str]:
    for name in ("last_update", "assignment_date", "last_pending_date", "resolution_date", "close_date"):
        if fields.get(name):
            yield fields[name]
    for log in ("public_log", "private_log"):
        yield from (entry["date"] for entry in fields.get(log, {}).get("entries", ()))


def fill_in(form: dict, password: str) -> dict:
    """The form as it is sent: the passwords are not in the recording, and long texts are shortened there."""
    filled = {}
    for name, value in form.items():
        text = value if isinstance(value, str) else json.dumps(value)
        filled[name] = expand(text.replace("***", password) if name == "auth_pwd" else text)
    if '"core/check_credentials"' in filled.get("json_data", ""):
        filled["json_data"] = filled["json_data"].replace("***", "rest_agent")
    return filled


def expand(text: str) -> str:
    return re.sub(r"<(A|y|🔥|\\ud83d\\udd25)\*(\d+)>", lambda match: match[1] * int(match[2]), text)


def normalize(message: str | None) -> str | None:
    """Without the statement that a database error echoes, and without the list of all of iTop's classes."""
    if message and "mysql_errno" in message:
        return re.sub(
            r"query = .*?, mysql_errno = (\d+), mysql_error = .*",
            r"query = …, mysql_errno = \1",
            message,
            flags=re.DOTALL,
        )
    if message and "Unknown class" in message:
        return re.sub(r"expecting \{.*\}", "expecting {…}", message)
    return message


def find_difference(exchange: dict, status: int, kind: str, text: str) -> str:
    """What differs from the recording; empty if nothing does."""
    wanted = exchange["body"]
    if status != exchange["status"]:
        return f"status {status}, not {exchange['status']}"
    if kind.split(";", maxsplit=1)[0] != exchange.get("type", "application/json").split(";")[0]:
        return f"content type {kind}"
    if isinstance(wanted, str):
        return "" if text == wanted or (wanted.endswith("…") and text.startswith(wanted[:-1])) else f"body {text[:100]}"
    return compare_answers(json.loads(expand(json.dumps(wanted))), json.loads(text))


def compare_answers(wanted: dict, got: dict) -> str:
    if normalize(got.get("message")) != normalize(wanted.get("message")):
        return f"message {normalize(got.get('message'))!r}, not {normalize(wanted.get('message'))!r}"
    for name in wanted.keys() - {"message", "objects"}:
        if got.get(name) != wanted[name]:
            return f"{name} {got.get(name)!r}, not {wanted[name]!r}"
    if ("objects" in wanted) is not ("objects" in got) or list(wanted.get("objects") or ()) != list(
        got.get("objects") or ()
    ):
        return f"objects {list(got.get('objects') or ())[:5]}, not {list(wanted.get('objects') or ())[:5]}"
    for name, shown in (wanted.get("objects") or {}).items():
        if difference := compare_objects(shown, got["objects"][name]):
            return f"{name} {difference}"
    return ""


def compare_objects(wanted: dict, got: dict) -> str:
    for name in ("code", "message", "class", "key"):
        if got[name] != wanted[name]:
            return f"{name} {got[name]!r}, not {wanted[name]!r}"
    if got["fields"].keys() != wanted["fields"].keys():
        return f"fields {sorted(got['fields'].keys() ^ wanted['fields'].keys())}"
    for name, value in wanted["fields"].items():
        if name not in STOPWATCHES and got["fields"][name] != value:
            return f"{name} {str(got['fields'][name])[:200]!r}, not {str(value)[:200]!r}"
    return ""


def read_exchanges() -> list[dict]:
    return [json.loads(line) for line in EXCHANGES.read_text(encoding="utf-8").splitlines()]


async def replay(client: aiohttp.ClientSession) -> AsyncIterator[tuple[str, dict, str]]:
    """Each replayed exchange with the iTop that it was recorded on and what differs."""
    run = Replay(client)
    async with run.stack:
        await run.restart()
        for exchange in read_exchanges():
            if "fresh" in exchange:
                await run.restart(**exchange["fresh"])
            for before in exchange.get("before", ()):
                await run.make(before)
            if "n" not in exchange or "left_out" in exchange:
                continue
            run.follow(exchange)
            if "fault" in exchange:
                run.simulator.faults.add(Fault(exchange["fault"]))
            yield run.itop, exchange, find_difference(exchange, *await run.send(exchange))


def report(outcomes: list[tuple[str, dict, str]]) -> Iterator[str]:
    """How many agree, differ and are left out, in all and for each iTop, and why."""
    left_out = [line for line in read_exchanges() if "left_out" in line]
    differing = [(itop, exchange, difference) for itop, exchange, difference in outcomes if difference]
    agree = len(outcomes) - len(differing)
    yield f"recorded exchanges: {agree} agree, {len(differing)} differ, {len(left_out)} are left out"
    for itop, count in Counter(itop for itop, _, _ in outcomes).items():
        yield f"  {itop}: {count - sum(each == itop for each, _, _ in differing)} of {count} agree"
    yield from (f"  differs: {each['n']:03d} {each['name']}: {difference:.300}" for _, each, difference in differing)
    for reason, count in Counter(line["left_out"] for line in left_out).items():
        yield f"  left out: {count}, {reason}"


async def test_the_simulator_answers_as_recorded(capsys):
    async with aiohttp.ClientSession() as client:
        outcomes = [outcome async for outcome in replay(client)]
    with capsys.disabled():
        print("", *report(outcomes), sep="\n")  # noqa: T201 - a report
    for itop, count in Counter(itop for itop, _, _ in outcomes).items():
        agree = sum(each == itop and not difference for each, _, difference in outcomes)
        assert agree / count >= AGREE_AT_LEAST, itop
