"""What the tests of the iTop library share: recorded exchanges, time that a test moves, and servers on loopback."""

import asyncio
import heapq
import itertools
import json
import re
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from aioresponses import aioresponses


class FakeTime:
    """A clock that stands still until the test moves it; sleepers wake in the order of their times."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers = []
        self._number = itertools.count()

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._number), woken))
        await woken

    async def move(self, seconds):
        end = self.now + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self.now = max(due, self.now)
            if not woken.done():
                woken.set_result(None)
            await self.settle()
        self.now = end

    async def settle(self):
        """Let every task that can run do so."""
        for _ in range(30):
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture(scope="session")
def recorded():
    """Exchanges with a real iTop, by number; the long ones shortened in the middle."""
    exchanges = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
    return {exchange["number"]: SimpleNamespace(**exchange) for exchange in exchanges}


class _Response(aiohttp.ClientResponse):
    def __init__(self, *args, **kwargs):
        # aioresponses 0.7.9 does not know of this argument; the upload is over
        super().__init__(*args, stream_writer=SimpleNamespace(output_size=0), **kwargs)


@pytest.fixture
def http():
    """Answers for calls that never reach a socket, one call each: `http(body=…, status=…)` or `http(exception=…)`."""
    with aioresponses() as responses:

        def answer(url="http://itop.invalid/webservices/rest.php?version=1.4", **kwargs):
            responses.post(url, response_class=_Response, **kwargs)

        yield answer


@pytest.fixture
def raw_server():
    """A server that reads one request per connection, writes what it is given, and closes.

    With `hang` it waits for that event before it closes; with `abort` it resets the connection.
    """

    @asynccontextmanager
    async def serve(reply, *, abort=False, hang=None):
        async def talk(reader, writer):
            talking.add(asyncio.current_task())
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                served.requests.append(head)
                served.came.set()
                writer.write(reply)
                await writer.drain()
                if hang is not None:
                    await hang.wait()
                if abort:
                    writer.transport.abort()
            finally:
                writer.close()

        talking = set()
        served = SimpleNamespace(requests=[], came=asyncio.Event(), port=0)
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        served.port = server.sockets[0].getsockname()[1]
        try:
            yield served
        finally:
            server.close()
            for each in talking:
                each.cancel()
            await server.wait_closed()  # from Python 3.12 on for its connections too

    return serve


@pytest.fixture
async def web_server():
    """A web server on loopback with one handler for everything: `await web_server(handler)` gives its address."""
    runners = []

    async def serve(handler, ssl=None):
        runner = web.ServerRunner(web.Server(handler))
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        return f"{'https' if ssl else 'http'}://127.0.0.1:{port}"

    yield serve
    for runner in runners:
        await runner.cleanup()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A CA, a server's certificate for 127.0.0.1 and a client's, as files."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make certificates")
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    # what Python 3.13 asks for in addition: the key usage of an authority, and the authority's key
    authority = ["-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", *authority)
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for name in ("server", "client"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        openssl(*sign, "-out", f"{name}.pem", "-days", "2", "-extfile", "san")
    return folder
