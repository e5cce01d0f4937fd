"""The library without await: for scripts, notebooks and cron.

The names are those of `itop_bridge`. A connection is the current one from when it is made, or within its `with`:

    from itop_bridge.blocking import ITop, GetAction

    itop = ITop(config="itop.json")
    persons = GetAction(iclass="Person", output=["first_name", "name", "email"])
    everybody = persons()

The calls run on a loop in a thread of their own, so that they also work where a loop is running already, as it is in a
notebook. A process that forks opens its connections anew in the child.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Self, TypeVar

from itop_bridge.itop import action, connection
from itop_bridge.itop.answer import Answer, Object
from itop_bridge.itop.client import Connection
from itop_bridge.itop.error import RequestError

__all__ = [
    "CheckCredentialsAction",
    "Connection",
    "CreateAction",
    "DeleteAction",
    "GetAction",
    "ITop",
    "ListAction",
    "RelatedAction",
    "StimulateAction",
    "UpdateAction",
]

T = TypeVar("T")


class _Runner:
    """Runs coroutines on a loop in a thread, started with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result()
        finally:
            future.cancel()  # Ctrl-C ends the call too; without effect on one that is done

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="itop_bridge.blocking", daemon=True).start()
            return self._loop

    def forget(self) -> None:
        """In a child after a fork: the thread is not there."""
        self._lock = threading.Lock()
        self._loop = None


_runner = _Runner()
os.register_at_fork(after_in_child=_runner.forget)

_kept: "list[ITop]" = []
"""The connections that are not closed, in the order in which they were made: also those that nobody holds."""
_entered: ContextVar[tuple["ITop", ...]] = ContextVar("itop_bridge_entered", default=())


class ITop:
    """A connection to iTop; `config` and `read_only` as for `itop_bridge.ITop`.

    It is the current one from now on; within `with` it is so for the block, which closes it. A connection that is never
    closed is closed when the program ends.
    """

    def __init__(self, config: str | os.PathLike[str] | Connection, *, read_only: bool = False) -> None:
        self._itop = connection.ITop(config, read_only=read_only)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        _kept.append(self)

    def __repr__(self) -> str:
        return repr(self._itop).replace(", not open", ", closed" * self._is_closed)

    @property
    def read_only(self) -> bool:
        return self._itop.read_only

    def __enter__(self) -> Self:
        _entered.set((*_entered.get(), self))
        return self

    def __exit__(self, *exc_info: object) -> None:
        _entered.set(tuple(each for each in _entered.get() if each is not self))
        self.close()

    def call(self, operation: Mapping[str, Any]) -> Answer:
        """Send one operation, as iTop's `json_data`. Raises one ITopError."""
        if self._is_closed:
            raise RuntimeError("the connection is closed")
        return _runner.run(self._call(operation))

    def close(self) -> None:
        """Close it; again is no error."""
        if self._is_closed:
            return
        self._is_closed = True
        _kept.remove(self)
        if self._itop.is_open:
            _runner.run(self._close())

    async def _call(self, operation: Mapping[str, Any]) -> Answer:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the first call, in this process
            self._itop = connection.ITop(self._itop.connection, read_only=self.read_only)
            self._loop = loop
            await self._itop.__aenter__()
        return await self._itop.call(operation)

    async def _close(self) -> None:
        if self._loop is asyncio.get_running_loop():
            await self._itop.__aexit__(None, None, None)


@atexit.register
def _close_all() -> None:
    while _kept:
        _kept[-1].close()


def current_itop() -> ITop:
    """The connection of the innermost `with` of this thread, else the one made last. Raises RequestError if none."""
    for itop in (*reversed(_entered.get()), *reversed(_kept)):
        if itop in _kept:
            return itop
    raise RequestError("no connection to iTop was made: ITop(config=…) makes one, or give the action an itop=")


class _Blocking(action.Action):
    """An action that is called without await."""

    def __call__(self, **overrides: Any) -> Answer:  # type: ignore[override] # without await: what the module is for
        """Send it. `overrides` hold for this call only; the action stays as it is."""
        changed = replace(self, **overrides)
        answer: Answer = (changed.itop or current_itop()).call(changed.describe())
        return answer


class ListAction(_Blocking, action.ListAction):
    """As `itop_bridge.ListAction`, without await."""


class GetAction(_Blocking, action.GetAction):
    """As `itop_bridge.GetAction`, without await."""

    def pages(self, *, size: int = 100, **overrides: Any) -> Iterator[Object]:  # type: ignore[override] # the same
        """All objects, `size` a call; see `itop_bridge.GetAction.pages`."""
        pages = action.Pages(size)
        while pages.has_next:
            yield from pages.take(self(**overrides, limit=size, page=pages.number))


class CreateAction(_Blocking, action.CreateAction):
    """As `itop_bridge.CreateAction`, without await."""


class UpdateAction(_Blocking, action.UpdateAction):
    """As `itop_bridge.UpdateAction`, without await."""


class StimulateAction(_Blocking, action.StimulateAction):
    """As `itop_bridge.StimulateAction`, without await."""


class DeleteAction(_Blocking, action.DeleteAction):
    """As `itop_bridge.DeleteAction`, without await."""


class RelatedAction(_Blocking, action.RelatedAction):
    """As `itop_bridge.RelatedAction`, without await."""


class CheckCredentialsAction(_Blocking, action.CheckCredentialsAction):
    """As `itop_bridge.CheckCredentialsAction`, without await."""
