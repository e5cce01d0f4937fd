"""Write what is shipped as a CycloneDX bill of materials: the bridge, and the locked versions with hashes and licences.

cyclonedx-py reads licences and who needs whom from an environment, and hashes from the lock, but not both; here the
lock is installed in an environment of its own, and the hashes are added. The same lock gives the same bytes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lock import LOCK, Locked, load_lock

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write dist/itop-bridge-VERSION.cdx.json, or --output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--python", type=Path, help="of an environment that has the locked versions; else a new one")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    version = load_version()
    output = options.output or ROOT / "dist" / f"itop-bridge-{version}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        python = options.python or install_lock(options.lock, Path(folder) / "venv")
        bom = add_lock(describe_environment(python, version, Path(folder)), load_lock(options.lock))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(bom, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{output}: {len(bom['components'])} components")


def load_version() -> str:
    """The version of the bridge, which pyproject.toml takes from there too."""
    text = (ROOT / "itop_bridge" / "__init__.py").read_text(encoding="utf-8")
    [version] = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return str(version)


def install_lock(lock: Path, folder: Path) -> Path:
    """The Python of a new environment with the locked versions and nothing else."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    options = ["--python", str(python), "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*uv, "pip", "install", *options, "--requirement", str(lock)], check=True)
    return python


def describe_environment(python: Path, version: str, folder: Path) -> Any:
    """What cyclonedx-py reads in an environment, the bridge as its root."""
    project = folder / "pyproject.toml"
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    # cyclonedx-py knows no dynamic version, and reads files that stand beside this one
    text = text.replace('dynamic = ["version"]', f'version = "{version}"')
    text = re.sub(r"^(readme|license-files) = .*\n", "", text, flags=re.MULTILINE)
    project.write_text(text, encoding="utf-8")
    options = ["--pyproject", str(project), "--mc-type", "application", "--output-reproducible", "--of", "JSON"]
    command = [sys.executable, "-m", "cyclonedx_py", "environment", *options, str(python)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def add_lock(bom: Any, locked: Mapping[str, Locked]) -> Any:
    """The bill with the hashes of the lock and without what is not locked (pip, say).

    Raises ValueError if a locked version is not in it.
    """
    kept = [each for each in bom["components"] if _normalise(each["name"]) in locked]
    versions = {_normalise(each["name"]): each["version"] for each in kept}
    for name, each in locked.items():
        if each.marker:  # for another Python or system, it may be
            versions.setdefault(name, each.version)
    if wrong := [name for name, each in locked.items() if versions.get(name) != each.version]:
        raise ValueError(f"not in the environment as it is locked: {', '.join(wrong)}")
    for each in kept:
        hashes = [{"alg": "SHA-256", "content": known} for known in locked[_normalise(each["name"])].hashes]
        wheels = {"type": "distribution", "url": each["purl"], "comment": "one of its wheels", "hashes": hashes}
        each["externalReferences"] = [*each.get("externalReferences", []), wheels]
    refs = {bom["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in kept)}
    needs = [
        each | ({"dependsOn": [ref for ref in each["dependsOn"] if ref in refs]} if "dependsOn" in each else {})
        for each in bom["dependencies"]
        if each["ref"] in refs
    ]
    return bom | {"components": kept, "dependencies": needs}


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
