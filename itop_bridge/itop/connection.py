"""The connection to iTop that actions use. Light to import: what is heavy is loaded when it is made."""

from collections.abc import Mapping
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from itop_bridge.itop.error import ReadOnlyError, RequestError
from itop_bridge.itop.operation import Operations, is_reading

if TYPE_CHECKING:
    from itop_bridge.itop.answer import Answer
    from itop_bridge.itop.client import Client, Connection
    from itop_bridge.settings.model import Itop

_open: ContextVar[tuple["ITop", ...]] = ContextVar("itop_bridge_open", default=())
"""The connections that are open around this task, the innermost last: tasks do not see each other's."""


class ITop(Operations):
    """A connection to iTop: `async with ITop(config="itop.json") as itop: …`.

    `config` is a file or a `Connection`. The file is the older tool's JSON (`address`, `user`, `password`, `version`),
    or YAML, of which the section `itop` is read. With `read_only` every operation that writes is refused before
    anything is sent.

    Each call is sent at most once, over TLS that is verified; no redirect is followed. Raises ConfigurationError,
    naming what is wrong with the file, but no secret.
    """

    def __init__(self, config: "str | PathLike[str] | Connection", *, read_only: bool = False) -> None:
        self.connection = load_connection(config) if isinstance(config, str | PathLike) else config
        self.read_only = read_only
        self._client: Client | None = None

    def __repr__(self) -> str:
        marks = ", read-only" * self.read_only + ("" if self.is_open else ", not open")
        return f"<ITop {self.connection.address} as {self.connection.user or 'the owner of a token'}{marks}>"

    @property
    def is_open(self) -> bool:
        """True between entering and leaving."""
        return self._client is not None

    async def __aenter__(self) -> Self:
        """Open it, for this task and those that it starts. Nothing is sent yet."""
        from itop_bridge.itop.client import Client  # noqa: PLC0415 - heavy

        if self.is_open:
            raise RuntimeError("this connection is open already")
        self._client = await Client(self.connection).__aenter__()
        _open.set((*_open.get(), self))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        _open.set(tuple(each for each in _open.get() if each is not self))
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(*exc_info)

    async def call(self, operation: Mapping[str, Any]) -> "Answer":
        """Send one operation, as iTop's `json_data`. Raises one ITopError; ReadOnlyError if it may not be sent."""
        if self.read_only and not is_reading(operation):
            raise ReadOnlyError(f"the connection is read-only: {operation.get('operation')} was not sent")
        if self._client is None:
            raise RuntimeError("the connection is not open: use it in `async with ITop(…)`")
        return await self._client.call(operation)


def current_itop() -> ITop:
    """The innermost open connection of this task. Raises RequestError if there is none."""
    for itop in reversed(_open.get()):
        if itop.is_open:
            return itop
    raise RequestError("no connection to iTop is open: use `async with ITop(config=…):`, or give the action an itop=")


def load_connection(path: str | PathLike[str]) -> "Connection":
    """The connection that a configuration file describes. Raises ConfigurationError."""
    from itop_bridge.settings.load import load_command_settings  # noqa: PLC0415 - heavy

    return describe_connection(load_command_settings(Path(path)).itop)


def describe_connection(itop: "Itop") -> "Connection":
    """The client's connection, from the configuration's section `itop`."""
    from itop_bridge.itop.client import Connection  # noqa: PLC0415 - heavy

    return Connection(
        itop.address,
        user=itop.user or "",
        password=itop.password.reveal() if itop.password else "",
        version=itop.version,
        auth=itop.auth,
        token=itop.token.reveal() if itop.token else "",
        timeout_s=itop.timeout,
        ca_file=itop.ca_file,
        client_cert_file=itop.cert_file,
        client_key_file=itop.key_file,
    )
