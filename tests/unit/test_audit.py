"""make audit: clean, vulnerable and could not audit are three answers. A server stands in for the service."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HASH = f"    --hash=sha256:{'0' * 64}"
LOCK = f"""\
jinja2==3.1.6 \\
{HASH} \\
{HASH}
    # via itop-bridge (pyproject.toml)
yarl==1.25.1 ; sys_platform == 'win32' \\
{HASH}
"""
VULNERABILITY = {
    "id": "PYSEC-2030-1",
    "aliases": ["CVE-2030-1"],
    "summary": "a sandbox escape",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.7"}]}],
        }
    ],
}


class Service:
    """Knows vulnerabilities by package; answers with `status`."""

    def __init__(self):
        self.known = {}
        self.status = 200
        self.asked = []
        self.url = ""

    def answer(self, question):
        self.asked.append((question["package"]["name"], question["version"]))
        known = self.known.get(question["package"]["name"])
        return {"vulns": known} if known else {}


@contextmanager
def serving(service):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = json.dumps(service.answer(json.loads(body))).encode()
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            service.url = f"http://127.0.0.1:{server.server_port}/query"
            yield service
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def service():
    with serving(Service()) as service:
        yield service


@pytest.fixture
def audit(tmp_path):
    """Runs the audit of LOCK; without `HOME` of the tester's, where pip-audit would keep answers."""
    (tmp_path / "lock").write_text(LOCK)
    (tmp_path / "ignored").write_text("# id, and why\n")

    def run(url):
        words = ["--lock", tmp_path / "lock", "--ignored", tmp_path / "ignored", "--osv-url", url]
        return subprocess.run(
            [sys.executable, ROOT / "packaging" / "audit.py", *words],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_every_locked_version_is_looked_up_and_clean_exits_0(service, audit):
    done = audit(service.url)
    assert (done.returncode, done.stdout) == (0, "0 known vulnerabilities in 2 locked versions\n"), done.stderr
    assert sorted(service.asked) == [("jinja2", "3.1.6"), ("yarl", "1.25.1")], "also what this system does not install"


def test_what_is_vulnerable_is_listed_and_exits_1(service, audit):
    service.known = {"jinja2": [VULNERABILITY]}
    done = audit(service.url)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        "jinja2 3.1.6: PYSEC-2030-1 = CVE-2030-1; fixed in 3.1.7",
        "1 known vulnerabilities in 2 locked versions",
    ]


def test_a_service_that_is_not_there_is_not_clean_and_not_vulnerable(service, audit):
    with serving(Service()) as gone:
        pass
    done = audit(gone.url)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("could not audit: ")
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_refuses_is_not_clean(service, audit, status):
    service.status = status
    done = audit(service.url)
    assert done.returncode == 3
    assert done.stderr.startswith(f"could not audit: requests.exceptions.HTTPError: {status} ")


def test_a_vulnerability_is_ignored_by_any_of_its_names_with_the_reason_told(service, audit, tmp_path):
    service.known = {"jinja2": [VULNERABILITY]}
    (tmp_path / "ignored").write_text("CVE-2030-1  no template of a stranger's is rendered\nCVE-2029-9 was another\n")
    done = audit(service.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "jinja2 3.1.6: PYSEC-2030-1 = CVE-2030-1; ignored: no template of a stranger's is rendered",
        "CVE-2029-9: ignored, but no longer found: its line can go",
        "0 known vulnerabilities in 2 locked versions",
    ]


def test_without_a_reason_nothing_is_ignored(service, audit, tmp_path):
    (tmp_path / "ignored").write_text("CVE-2030-1\n")
    done = audit(service.url)
    assert (done.returncode, service.asked) == (3, [])
    assert done.stderr == "could not audit: CVE-2030-1 is ignored without a reason\n"


def test_what_stands_in_the_lock_beside_versions_and_hashes_is_told(service, audit, tmp_path):
    (tmp_path / "lock").write_text(f"--index-url https://elsewhere.example/\n{LOCK}")
    done = audit(service.url)
    assert (done.returncode, service.asked) == (3, [])
    assert "line 1 is no version, hash or comment" in done.stderr
