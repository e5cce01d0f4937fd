"""The simulator's state: objects, users, faults, and the record of calls. `server.serve` puts it on the network."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from itop_bridge.simulator.account import SUPPORT_AGENT, Account
from itop_bridge.simulator.call import Call
from itop_bridge.simulator.caselog import CaseLog
from itop_bridge.simulator.fault import Faults, Sleep, draw_latency_s
from itop_bridge.simulator.moment import format_moment
from itop_bridge.simulator.person import Person
from itop_bridge.simulator.release import RELEASES
from itop_bridge.simulator.sample import fill_store, make_accounts
from itop_bridge.simulator.schema import load_datamodel
from itop_bridge.simulator.session import Session
from itop_bridge.simulator.store import Store
from itop_bridge.simulator.view import View

LOG_LIMIT = 388
"""How many case-log entries iTop holds for a user called "Rest Daemon" (transcript 500)."""


class Simulator:
    """An iTop in memory.

    `version` is one of RELEASES, `install` one of schema.INSTALLS, `datamodel` a file of changes to the data model
    (ConfigurationError if it is wrong). `php` is the major version: before 8, a transition misses keys too.
    `clock` gives seconds since the epoch; `zone` is that of PHP's dates and `database_zone` that of OQL's NOW().
    `latency_s` is added to every call: seconds, or a function that draws them.
    """

    def __init__(  # noqa: PLR0913 - settings, each of its own, by keyword
        self,
        clock: Callable[[], float] = time.time,
        *,
        version: str = "3.2",
        install: str = "itil",
        datamodel: Path | None = None,
        php: int = 8,
        sample: bool = True,
        zone: str = "Europe/Paris",
        database_zone: str | None = None,
        log_limit: int = LOG_LIMIT,
        sleep: Sleep = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self.random = random or Random()  # noqa: S311 - for times and faults, not for secrets
        self.release = replace(RELEASES[version], misses_keys=php < 8)
        self.store = Store(load_datamodel(version, install, datamodel))
        self.accounts: dict[str, Account] = make_accounts()
        self.faults = Faults()
        self.calls: list[Call] = []
        self.sessions = 0
        """PHP session files: one for every call that came without a cookie."""
        self.latency_s: float | Callable[[], float] = 0.0
        self._zone = ZoneInfo(zone)
        self._database_zone = ZoneInfo(database_zone or zone)
        self._log_limit = log_limit
        if sample:
            fill_store(self.store)

    def objects(self, iclass: str) -> list[dict[str, Any]]:
        """The objects of a class and its subclasses by id, as they are stored: attribute to value in the form of
        core/get, but `id` as an int and a case log as the plain list of its entries."""
        view = View(self.store)
        rows = sorted(self.store.scan(iclass), key=lambda row: row.id)
        return [
            {
                "id": row.id,
                **{
                    code: value["entries"] if isinstance(view.value(row, code), CaseLog) else value
                    for code, value in view.render_all(row, row.model).items()
                },
            }
            for row in rows
        ]

    def count(self, operation: str, *, wrote: bool | None = None) -> int:
        """How many calls of an operation came; with `wrote`, only those that did or did not change something."""
        return sum(call.operation == operation and wrote in (None, call.wrote) for call in self.calls)

    def person(self, name: str) -> Person:
        """The person of that full name, as a Support Agent. Raises LookupError."""
        return Person(self.open_session(self._find_person(name)))

    def open_session(self, account: Account) -> Session:
        view = View(self.store, account.organizations, self.release)
        contact = self.store.get("Person", account.contact)
        return Session(
            account=account,
            user_login=view.text(contact, "friendlyname") if contact else account.login,
            view=view,
            release=self.release,
            now=lambda: format_moment(self.clock(), self._zone),
            database_now=lambda: format_moment(self.clock(), self._database_zone),
            log_limit=self._log_limit,
        )

    def set_latency(self, median_s: float, p95_s: float | None = None) -> None:
        """Let every call take that long; with `p95_s`, half of them less, and one in twenty more than that."""
        self.latency_s = lambda: draw_latency_s(self.random, median_s, p95_s)

    async def pause(self) -> None:
        """The time that a call takes; at least, other calls may run in between."""
        await self.sleep(self.latency_s() if callable(self.latency_s) else self.latency_s)

    def _find_person(self, name: str) -> Account:
        view = View(self.store)
        contact = next((row for row in self.store.scan("Person") if view.text(row, "friendlyname") == name), None)
        if contact is None:
            raise LookupError(f"there is no person called {name!r}")
        for account in self.accounts.values():
            if account.contact == contact.id:
                return account
        profiles = frozenset({SUPPORT_AGENT})
        return Account(id=1000 + contact.id, login=name, password="", profiles=profiles, contact=contact.id)
