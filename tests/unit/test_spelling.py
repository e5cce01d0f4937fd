from itop_bridge.spelling import suggest, suggest_or_list


def test_a_name_that_is_near_is_suggested():
    assert suggest("statu", ["reload", "status"]) == "; did you mean status?"
    assert suggest_or_list("statu", ["reload", "status"]) == "; did you mean status?"


def test_else_nothing_is_said_or_what_there_is():
    assert suggest("zzz", ["reload", "status"]) == ""
    assert suggest("zzz", ["status"], "; look it up") == "; look it up"
    assert suggest_or_list("zzz", ["status", "reload"]) == "; there are status, reload"
    assert suggest_or_list("zzz", []) == "; there are none"
