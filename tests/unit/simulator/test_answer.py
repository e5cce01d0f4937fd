from itop_bridge.simulator.answer import encode_json, make_json


def test_json_is_as_php_writes_it():
    assert encode_json({"a/b": "ü🔥", "n": None}) == b'{"a\\/b":"\\u00fc\\ud83d\\udd25","n":null}'


def test_a_callback_makes_it_a_script():
    answer = make_json({"code": 0}, "cb")
    assert (answer.content_type, answer.body) == ("application/javascript", b'cb({"code":0});')
