"""A simulator on loopback, and a client that speaks to it as a daemon would."""

import json
from contextlib import AsyncExitStack

import aiohttp
import pytest

from itop_bridge.simulator.server import serve
from itop_bridge.simulator.simulator import Simulator

START = 1_795_489_437.0  # 2026-11-24 04:03:57 in Paris


class Clock:
    """Time that moves only when a test says so."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Client:
    """Calls as JSON, with the credentials of one user."""

    def __init__(self, session, url, user="admin"):
        self.session = session
        self.url = url
        self.user = user

    def post(self, request, **more):
        text = request if isinstance(request, str) else json.dumps(request)
        form = {"auth_user": self.user, "auth_pwd": self.user, "json_data": text}
        return self.session.post(f"{self.url}/webservices/rest.php", params={"version": "1.4"}, data=form, **more)

    async def __call__(self, operation, iclass="Incident", **rest):
        request = {"operation": f"core/{operation}", "class": iclass, "comment": "test", **rest}
        async with self.post(request) as response:
            return await response.json()

    async def create(self, iclass="Incident", **fields):
        """The id of a new ticket."""
        fields = {"org_id": 2, "title": "t", "description": "d", **fields}
        answer = await self("create", iclass, fields=fields, output_fields="id")
        (shown,) = answer["objects"].values()
        return int(shown["key"])

    async def read(self, key, output_fields, iclass="Incident"):
        """The fields of one ticket."""
        answer = await self("get", iclass, key=key, output_fields=output_fields)
        (shown,) = answer["objects"].values()
        return shown["fields"]

    def append(self, key, message, log="public_log", **fields):
        entry = {"add_item": {"message": message, "format": "text"}}
        return self("update", key=key, fields={log: entry, **fields}, output_fields=f"id,{log}")


@pytest.fixture
async def start(clock):
    """Starts a simulator with settings of its own; gives it and its client."""
    async with AsyncExitStack() as stack:

        async def start(user="admin", **settings):
            simulator = Simulator(clock=clock, **settings)
            url = await stack.enter_async_context(serve(simulator))
            return simulator, Client(await stack.enter_async_context(aiohttp.ClientSession()), url, user)

        yield start


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def simulator(clock):
    return Simulator(clock=clock)


@pytest.fixture
async def client(simulator):
    jar = aiohttp.CookieJar(unsafe=True)  # takes cookies of bare addresses too
    async with serve(simulator) as url, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Client(session, url)
