"""The shapes of iTop's operations."""

from itop_bridge.itop.answer import Answer
from itop_bridge.itop.operation import Operations


class Recorder(Operations):
    def __init__(self):
        self.sent = []

    async def call(self, operation):
        self.sent.append(dict(operation))
        return Answer(None, (), None)


async def test_each_operation_is_written_as_itop_reads_it():
    itop = Recorder()
    await itop.fetch("Incident", 7, "id,ref")
    await itop.fetch("Incident", "SELECT Incident", "id", limit=50, page=2)
    await itop.create("Incident", {"title": "t"}, comment="c")
    await itop.update("Incident", 7, {"title": "t"}, comment="c")
    await itop.apply_stimulus("Incident", 7, "ev_resolve", {"solution": "s"}, comment="c")
    await itop.check()
    assert itop.sent == [
        {"operation": "core/get", "class": "Incident", "key": 7, "output_fields": "id,ref"},
        {
            "operation": "core/get",
            "class": "Incident",
            "key": "SELECT Incident",
            "output_fields": "id",
            "limit": 50,
            "page": 2,
        },
        {
            "operation": "core/create",
            "class": "Incident",
            "comment": "c",
            "fields": {"title": "t"},
            "output_fields": "id,ref",
        },
        {
            "operation": "core/update",
            "class": "Incident",
            "comment": "c",
            "key": 7,
            "fields": {"title": "t"},
            "output_fields": "id",
        },
        {
            "operation": "core/apply_stimulus",
            "class": "Incident",
            "comment": "c",
            "key": 7,
            "stimulus": "ev_resolve",
            "fields": {"solution": "s"},
            "output_fields": "id,status",
        },
        {"operation": "list_operations"},
    ]
