from itop_bridge.simulator.schema import load_datamodel


def test_a_class_has_what_its_ancestors_have():
    datamodel = load_datamodel()
    assert {"title", "private_log"} <= datamodel["Incident"].attributes.keys()
    assert "public_log" not in datamodel["Ticket"].attributes
    assert datamodel["Incident"].root == datamodel["UserRequest"].root == "Ticket"
    assert datamodel.is_a("VirtualMachine", "FunctionalCI")


def test_every_key_points_at_a_class_and_every_field_at_an_attribute():
    datamodel = load_datamodel()
    for model in datamodel.classes.values():
        for attribute in model.attributes.values():
            if attribute.kind == "key":
                assert attribute.target in datamodel
            if attribute.kind == "field":
                target = model.attributes[attribute.key].target
                assert attribute.field in datamodel[target].attributes | {"finalclass": None, "obsolescence_flag": None}


def test_every_transition_leads_to_a_state_that_status_knows():
    for name in ("Incident", "UserRequest"):
        model = load_datamodel()[name]
        assert set(model.states) == set(model.attributes["status"].values)
        for state in model.states.values():
            assert set(state.transitions.values()) <= model.states.keys()


def test_filter_codes_leave_out_what_oql_cannot_compare():
    codes = load_datamodel()["Incident"].filter_codes()
    assert codes[:3] == ["finalclass", "friendlyname", "operational_status"]
    assert codes[-1] == "id"
    assert "functionalcis_list" not in codes
    assert "tto_75_deadline" in codes
