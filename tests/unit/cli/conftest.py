import asyncio

import pytest
from filled import fill

from itop_bridge.cli.main import main
from itop_bridge.journal.store import Store


class Operator:
    """Runs commands on a journal whose daemon is stopped."""

    def __init__(self, folder, capsys):
        self.journal = folder / "journal.db"
        self._capsys = capsys
        self.change(fill)

    def change(self, change, *values):
        """Await `change(store, …)`, and give its result."""

        async def work():
            store = await Store.open(self.journal)
            try:
                return await change(store, *values)
            finally:
                await store.close()

        return asyncio.run(work())

    def query(self, sql):
        async def fetch(store):
            return await store.read(lambda connection: [tuple(row) for row in connection.execute(sql)])

        return self.change(fetch)

    def run(self, *words):
        """The exit code, and what was printed."""
        code = main([*map(str, words), "--journal", str(self.journal)])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def operator(tmp_path, capsys):
    return Operator(tmp_path, capsys)
