from itop_bridge.simulator.removal import find_dependents
from itop_bridge.simulator.view import View


async def test_what_requires_an_object_goes_with_it_and_what_may_do_without_stays(simulator, client):
    await client.create(functionalcis_list=[{"functionalci_id": 1}], caller_id=2)
    view = View(simulator.store)
    assert [row.name for row in find_dependents(view, [view.get("Incident", 1)])] == ["lnkFunctionalCIToTicket::1"]
    assert find_dependents(view, [view.get("Person", 2)]) == []
    assert {"Incident::1", "Server::1", "VirtualMachine::8", "lnkFunctionalCIToTicket::1", "lnkPersonToTeam::1"} <= {
        row.name for row in find_dependents(view, [view.get("Organization", 2)])
    }
