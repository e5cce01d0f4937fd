import pytest

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.error import ReadOnlyError
from itop_bridge.itop.operation import Operations
from itop_bridge.itop.read_only import ReadOnly


class Way(Operations):
    def __init__(self):
        self.sent = []

    async def call(self, operation):
        self.sent.append(operation["operation"])
        return Answer(None, (), 0)


async def test_what_reads_passes_and_what_writes_is_not_sent():
    way = Way()
    itop = ReadOnly(way)
    await itop.fetch("Incident", 1, "id")
    await itop.check()
    for write in (
        itop.create("Incident", {}, comment="c"),
        itop.update("Incident", 1, {}, comment="c"),
        itop.apply_stimulus("Incident", 1, "ev_resolve", {}, comment="c"),
        itop.call({"operation": "core/something_new"}),
    ):
        with pytest.raises(ReadOnlyError):
            await write
    assert way.sent == ["core/get", "list_operations"]
