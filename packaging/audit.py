"""Look the locked versions up among the known vulnerabilities.

Exits 0 if none is known, 1 if one is, 3 if it could not be found out. pip-audit exits 1 for the last two alike; here a
vulnerability counts when the report names it, and none is known only when the report covers every locked version.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lock import LOCK, Locked, LockError, load_lock

IGNORED = Path(__file__).with_name("audit-ignored.txt")
CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3


class NotAuditedError(Exception):
    """Why nothing is known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A known vulnerability of a locked version."""

    package: str
    names: tuple[str, ...]
    """Its ids in the databases, the reported one first."""
    fixed: tuple[str, ...]


def main() -> int:
    """Audit, tell, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--ignored", type=Path, default=IGNORED)
    parser.add_argument("--osv-url", help="a mirror of the vulnerability service")
    options = parser.parse_args()
    try:
        locked = load_lock(options.lock)
        ignored = parse_ignored(options.ignored.read_text(encoding="utf-8"))
        found = list(read_report(fetch_report(locked, options.osv_url), locked))
    except (NotAuditedError, LockError, OSError) as error:
        print(f"could not audit: {error}", file=sys.stderr)
        return NOT_AUDITED
    open_ = [finding for finding in found if not ignored.keys() & set(finding.names)]
    tell(found, ignored)
    print(f"{len(open_)} known vulnerabilities in {len(locked)} locked versions")
    return VULNERABLE if open_ else CLEAN


def tell(found: list[Finding], ignored: Mapping[str, str]) -> None:
    """One line for each finding, and for each that is ignored in vain."""
    for finding in found:
        reasons = [ignored[name] for name in finding.names if name in ignored]
        what = f"ignored: {reasons[0]}" if reasons else f"fixed in {', '.join(finding.fixed) or 'no version'}"
        print(f"{finding.package}: {' = '.join(finding.names)}; {what}")
    for name in ignored.keys() - {name for finding in found for name in finding.names}:
        print(f"{name}: ignored, but no longer found: its line can go")


def fetch_report(locked: Mapping[str, Locked], osv_url: str | None) -> Any:
    """What pip-audit reports. Raises NotAuditedError if it could not ask for every version."""
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes", "-r", "/dev/stdin"]
    # of its services the one whose address can be set
    command += ["--vulnerability-service", "osv", *(["--osv-url", osv_url] if osv_url else [])]
    command += ["--format", "json", "--progress-spinner", "off"]
    # without markers: what another Python would install is looked up too
    wanted = "\n".join(f"{name}=={each.version} --hash=sha256:{each.hashes[0]}" for name, each in locked.items())
    done = subprocess.run(command, input=wanted, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise NotAuditedError(find_cause(done.stderr) or f"pip-audit exits {done.returncode}") from None


def find_cause(told: str) -> str:
    """The last line that is not the program's own source: a log line or the message of an error, where it has one."""
    lines = [line for line in told.splitlines() if re.match(r"ERROR:|[\w.]+: \S", line)] or told.splitlines()
    return lines[-1] if lines else ""


def read_report(report: Any, locked: Mapping[str, Locked]) -> Iterator[Finding]:
    """The findings of a report. Raises NotAuditedError if it leaves a locked version out."""
    entries = {entry["name"]: entry for entry in report["dependencies"] if "skip_reason" not in entry}
    missing = [name for name, each in locked.items() if entries.get(name, {}).get("version") != each.version]
    if missing:
        raise NotAuditedError(f"the report leaves out: {', '.join(missing)}")
    for name, entry in entries.items():
        for vulnerability in entry["vulns"]:
            names = (vulnerability["id"], *vulnerability["aliases"])
            yield Finding(f"{name} {entry['version']}", names, tuple(vulnerability["fix_versions"]))


def parse_ignored(text: str) -> dict[str, str]:
    """Ids and why they do not concern us. Raises NotAuditedError for one without a reason."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for words in lines:
        if len(words) == 1:
            raise NotAuditedError(f"{words[0]} is ignored without a reason")
    return dict(lines)


if __name__ == "__main__":
    sys.exit(main())
