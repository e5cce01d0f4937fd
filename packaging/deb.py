"""Builds the Debian package: dist/itop-bridge_VERSION_ARCHITECTURE.deb.

python packaging/deb.py [--output FOLDER] [--python /usr/bin/python3] [--revision 1]

A virtual environment with the locked versions, made with the system's Python, becomes /opt/itop-bridge; dpkg-deb packs
it. The same tree, packages and SOURCE_DATE_EPOCH (else: the last commit) give the same file, byte for byte.
"""

import argparse
import gzip
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from argcomplete import shell_integration

from itop_bridge import __version__

ROOT = Path(__file__).parents[1]
SOURCES = Path(__file__).parent / "deb"
LOCK = Path(__file__).parent / "requirements.lock"
HOME = "opt/itop-bridge"
COMMANDS = ("itop-bridge", "soc.apiclient.itop")
MAINTAINER = "{DEBFULLNAME} <{DEBEMAIL}>".format_map(
    # who builds it, as Debian's own tools are told
    {"DEBFULLNAME": "The itop_bridge developers", "DEBEMAIL": "itop-bridge@localhost", **os.environ}
)

CONTROL = """\
Package: itop-bridge
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: {depends}
Recommends: ca-certificates
Suggests: mosquitto, bash-completion
Section: net
Priority: optional
Description: from SIEM alerts on MQTT to incidents in iTop
 A daemon that turns the alerts of a SIEM, which come by MQTT, into incidents in
 the IT service management iTop. Nothing is lost and nothing is done twice, iTop
 is spared from storms, and an analyst's work is left alone.
 .
 The program and its Python packages are in /opt/itop-bridge. It is not started
 before it was configured.
"""

CHANGELOG = """\
itop-bridge ({version}) unstable; urgency=medium

  * Built from the tree of version {program}; what is new stands in changelog.gz.

 -- {maintainer}  {date}
"""


def main() -> None:
    """Build, and print where the package is."""
    parser = argparse.ArgumentParser(description="Build the Debian package.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder for it (dist)")
    parser.add_argument("--python", default="/usr/bin/python3", help="whose version it is for (%(default)s)")
    parser.add_argument("--revision", default="1", help="of the package (%(default)s)")
    args = parser.parse_args()
    _check_usable(args.python)
    os.environ.setdefault("SOURCE_DATE_EPOCH", _find_epoch())
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="itop-bridge-deb-") as name:
        stage = Path(name, "stage")
        version = f"{write_version(__version__)}-{args.revision}"
        python = install_program(stage / HOME, args.python, Path(name))
        install_files(stage, version)
        write_control(stage, version, python)
        print(pack(stage, version, args.output))


def _check_usable(interpreter: str) -> None:
    if not shutil.which("dpkg-deb"):
        sys.exit("dpkg-deb is missing: Debian packages are built on Debian, for its own Python")
    new_enough = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([interpreter, "-c", new_enough], check=False).returncode:
        sys.exit(f"{interpreter} is older than Python 3.11, or lacks its venv module: --python names another one")


def write_version(version: str) -> str:
    """The program's version as Debian orders it: what comes before a release has a tilde, and before that a second."""
    return re.sub(r"(a|b|rc)(\d+)", r"~\1\2", re.sub(r"\.?dev(\d+)", r"~~dev\1", version))


def _find_epoch() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or str(int((ROOT / "CHANGELOG.md").stat().st_mtime))


# the virtual environment


def install_program(home: Path, interpreter: str, work: Path) -> str:
    """Make the environment, with nothing in it that tells of the folder it was made in. Returns `python3.11`."""
    # by its full name: `python3` may be another one after an upgrade of the system
    _run(Path(interpreter).resolve(), "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--quiet")
    _run(sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", work, ROOT)
    _run(*pip, "install", "--no-compile", "--require-hashes", "--only-binary", ":all:", "--requirement", LOCK)
    # by its name, not by its file: pip notes the file's place
    options = ("--no-compile", "--no-index", "--no-deps", "--find-links", work)
    _run(*pip, "install", *options, f"itop-bridge=={__version__}")
    _relocate(home)
    name = next(path.name for path in (home / "lib").iterdir())
    _run(
        python,
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "checked-hash",
        "-s",
        home,
        "-p",
        f"/{HOME}",
        home / "lib",
    )
    return name


def _relocate(home: Path) -> None:
    """The commands start the interpreter where it will be; what serves only those who work on packages goes."""
    shebang = f"#!/{HOME}/bin/python"
    for path in (home / "bin").iterdir():
        if path.is_symlink():
            continue
        if path.name not in (*COMMANDS, "register-python-argcomplete"):
            path.unlink()
            continue
        _, _, rest = path.read_text(encoding="utf-8").partition("\n")
        path.write_text(f"{shebang}\n{rest}", encoding="utf-8")
    for record in home.rglob("*.dist-info/RECORD"):
        # what it says of the commands holds no more
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("../../../bin/")), encoding="utf-8")
    shutil.rmtree(home / "include", ignore_errors=True)
    settings = home / "pyvenv.cfg"
    lines = settings.read_text(encoding="utf-8").splitlines()
    settings.write_text("".join(f"{line}\n" for line in lines if not line.startswith("command")), encoding="utf-8")


# everything else


def install_files(stage: Path, version: str) -> None:
    """Units, configuration, manual pages, completion, documents."""
    for unit in (ROOT / "systemd").iterdir():
        _copy(unit, stage / "usr/lib/systemd/system" / unit.name)
    _copy(ROOT / "config/itop-bridge.yaml", stage / "etc/itop-bridge/itop-bridge.yaml")
    (stage / "etc/itop-bridge/credentials").mkdir(mode=0o700)
    (stage / "usr/bin").mkdir(parents=True)
    for command in COMMANDS:
        (stage / "usr/bin" / command).symlink_to(f"/{HOME}/bin/{command}")
    _install_completion(stage)
    _install_pages(stage)
    _install_documents(stage / "usr/share/doc/itop-bridge", version)
    _copy(SOURCES / "lintian-overrides", stage / "usr/share/lintian/overrides/itop-bridge")
    for folder, names, _ in os.walk(stage):
        for name in names:
            path = Path(folder, name)
            if path.name != "credentials" and not path.is_symlink():
                path.chmod(0o755)


def _install_completion(stage: Path) -> None:
    for command in COMMANDS:
        code = shell_integration.shellcode([command])
        _write(stage / "usr/share/bash-completion/completions" / command, code)
        _write(stage / "usr/share/zsh/vendor-completions" / f"_{command}", code)


def _install_pages(stage: Path) -> None:
    pages = stage / "pages"
    _run(sys.executable, Path(__file__).with_name("manual.py"), pages)
    for page in pages.iterdir():
        text = page.read_text(encoding="utf-8")
        _write_packed(stage / f"usr/share/man/man{page.suffix[1:]}" / f"{page.name}.gz", text)
    for command in COMMANDS[1:]:
        (stage / "usr/share/man/man1" / f"{command}.1.gz").symlink_to(f"{COMMANDS[0]}.1.gz")
    shutil.rmtree(pages)


def _install_documents(folder: Path, version: str) -> None:
    for path in sorted((ROOT / "docs").glob("*.md")):
        _copy(path, folder / "docs" / path.name)
    for name in ("alerts.yaml", "soc-legacy.yaml", "dashboards/itop-bridge.json", "dashboards/itop-bridge-logs.json"):
        _copy(ROOT / "config" / name, folder / "examples" / name)
    _copy(ROOT / "README.md", folder / "README.md")
    _write_packed(folder / "changelog.gz", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    date = formatdate(int(os.environ["SOURCE_DATE_EPOCH"]))
    entry = CHANGELOG.format(version=version, program=__version__, maintainer=MAINTAINER, date=date)
    _write_packed(folder / "changelog.Debian.gz", entry)
    _write(folder / "copyright", _describe_rights(folder.parents[3] / HOME))


def _describe_rights(home: Path) -> str:
    bundled = "\n".join(sorted(_describe_packages(home)))
    license_ = "\n".join(f" {line or '.'}" for line in (ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()[4:])
    text = (SOURCES / "copyright").read_text(encoding="utf-8")
    return text.replace("@BUNDLED@", bundled).replace("@LICENSE@\n", f"{license_}\n")


def _describe_packages(home: Path) -> Iterator[str]:
    site = next((home / "lib").glob("python*/site-packages"))
    for package in importlib.metadata.distributions(path=[str(site)]):
        if package.name != "itop-bridge":
            yield f"  {package.name} {package.version}: {_name_licence(package.metadata)}"


def _name_licence(facts: importlib.metadata.PackageMetadata) -> str:
    """As the package says it, in a word of today's form or of the older ones."""
    [expression] = facts.get_all("License-Expression", [""])
    classes = [each.rpartition(" :: ")[2] for each in facts.get_all("Classifier", []) if each.startswith("License ::")]
    [text] = facts.get_all("License", [""])
    return expression or ", ".join(classes) or text.partition("\n")[0] or "see there"


def write_control(stage: Path, version: str, python: str) -> None:
    """What dpkg reads."""
    folder = stage / "DEBIAN"
    folder.mkdir()
    (folder / "md5sums").write_text("".join(_sum_files(stage)), encoding="utf-8")
    (folder / "conffiles").write_text("/etc/itop-bridge/itop-bridge.yaml\n", encoding="utf-8")
    facts = {
        "version": version,
        "architecture": find_architecture(),
        "maintainer": MAINTAINER,
        "size": sum(_kibibytes(path) for path in stage.rglob("*")),
        # the environment's interpreter is a link to it, and its compiled packages are for it
        "depends": f"{python}, libc6 (>= {find_libc(stage / HOME)}), libgcc-s1",
    }
    (folder / "control").write_text(CONTROL.format_map(facts), encoding="utf-8")
    for script in ("postinst", "prerm", "postrm"):
        shutil.copyfile(SOURCES / script, folder / script)
        (folder / script).chmod(0o755)


def _sum_files(stage: Path) -> Iterator[str]:
    for path in sorted(stage.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.parent.name != "DEBIAN":
            digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            yield f"{digest}  {path.relative_to(stage)}\n"


def _kibibytes(path: Path) -> int:
    # what a folder takes is the file system's affair
    return -(-path.stat().st_size // 1024) if path.is_file() and not path.is_symlink() else 1


def find_architecture() -> str:
    """As `amd64`."""
    return _run("dpkg", "--print-architecture").strip()


def find_libc(home: Path) -> str:
    """The oldest glibc that every package in the environment works with, by the tags of their wheels."""
    wanted = [
        tuple(map(int, pair))
        for path in home.rglob("*.dist-info/WHEEL")
        for pair in re.findall(r"manylinux_(\d+)_(\d+)_", path.read_text(encoding="utf-8"))
    ]
    return "{}.{}".format(*max(wanted, default=(2, 17)))


def pack(stage: Path, version: str, output: Path) -> Path:
    """The package's file."""
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"itop-bridge_{version}_{find_architecture()}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", stage, path)
    return path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return done.stdout


if __name__ == "__main__":
    main()
