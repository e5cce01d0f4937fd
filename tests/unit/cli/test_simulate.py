import json
import signal
import subprocess
import sys
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from itop_bridge.cli.main import build_parser, main
from itop_bridge.cli.simulate import make_simulator, parse_fault
from itop_bridge.simulator.fault import Kind


def make(*options):
    return make_simulator(build_parser().parse_args(["simulate", *options]))


@pytest.mark.parametrize(
    ("text", "kind", "operation", "times"),
    [
        ("http_503", Kind.HTTP_503, None, None),
        ("http_503:3", Kind.HTTP_503, None, 3),
        ("http_503:create", Kind.HTTP_503, "core/create", None),
        ("late:core/update:1", Kind.LATE, "core/update", 1),
        ("latency:list_operations:2", Kind.LATENCY, "list_operations", 2),
    ],
)
def test_a_fault_is_a_kind_with_an_operation_and_a_number_of_times(text, kind, operation, times):
    fault = parse_fault(text)
    assert (fault.kind, fault.operation, fault.times) == (kind, operation, times)
    assert fault.seconds


@pytest.mark.parametrize("text", ["nonsense", "http_503:create:update", "http_503::1", "http_503:0", ""])
def test_a_fault_that_is_none_is_wrong_usage(text, capsys):
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["simulate", "--fault", text])
    assert caught.value.code == 2
    assert "--fault" in capsys.readouterr().err


def test_options_say_what_is_played(tmp_path):
    seed, model = tmp_path / "seed.json", tmp_path / "model.json"
    seed.write_text('{"Organization": [{"name": "ACME"}]}')
    model.write_text('{"Own": {"parent": "Ticket"}}')
    simulator = make(
        *("--itop-version", "2.7", "--install", "simple", "--php", "7", "--no-sample"),
        *("--seed", str(seed), "--datamodel", str(model), "--fault", "refuse:1", "--fault", "late", "--latency", "0.5"),
    )
    assert (simulator.release.version, simulator.release.misses_keys) == ("2.7", True)
    assert "Incident" not in simulator.store.datamodel
    assert "Own" in simulator.store.datamodel
    assert [each["name"] for each in simulator.objects("Organization")] == ["ACME"]
    assert [fault.kind for fault in simulator.faults] == [Kind.REFUSE, Kind.LATE]
    assert simulator.latency_s() == 0.5


def test_a_wrong_seed_or_data_model_is_told_and_exits_with_78(tmp_path, capsys):
    path = tmp_path / "wrong.json"
    path.write_text('{"Planet": [{}]}')
    assert main(["simulate", "--seed", str(path)]) == 78
    assert main(["simulate", "--datamodel", str(path)]) == 78
    assert capsys.readouterr().err.count("wrong.json: Planet") == 2


def test_a_record_that_cannot_be_written_is_told(tmp_path, capsys):
    assert main(["simulate", "--record", str(tmp_path / "none" / "x")]) == 1
    assert "cannot write" in capsys.readouterr().err


def post(url, operation):
    form = {"auth_user": "admin", "auth_pwd": "admin", "version": "1.3", "json_data": json.dumps(operation)}
    request = Request(f"{url}/webservices/rest.php", urlencode(form).encode())
    with urlopen(request, timeout=10) as response:
        return json.load(response)


def test_it_serves_and_records_until_it_is_interrupted(tmp_path):
    record = tmp_path / "record.jsonl"
    command = [sys.executable, "-m", "itop_bridge.cli.main", "simulate", "--port", "0", "--record", str(record)]
    options = ["--people", "1", "--chaos", "2"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = next(word for word in process.stdout.readline().split() if word.startswith("http"))
        answer = post(url, {"operation": "list_operations"})
        assert answer["message"] == "Operations: 7"
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "")
    (exchange,) = map(json.loads, record.read_text().splitlines())
    assert exchange["request"]["user"] == "admin"
    assert exchange["request"]["form"]["auth_pwd"] == "***"
    assert exchange["response"]["body"] == answer
