"""A process held in as the unit holds the service in, without systemd: bubblewrap, a system-call filter, limits.

Of the unit's directives this knows those on files, rights, system calls and core files. Not those on memory, tasks and
addresses, nor what of /proc is seen.
"""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from system_call_filter import list_allowed, load_library, write_filter
from unit_file import UNIT, read_unit

ROOT = Path(__file__).parents[2]
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""ProtectHome and PrivateTmp."""


class NotPossibleError(Exception):
    """The machine cannot hold a process in like that; says why."""


class Confinement:
    """In `folder` below /tmp: `state` can be written, `etc` be read, and else nothing is there."""

    def __init__(self, folder):
        self._analyze, self._bwrap = _find("systemd-analyze"), _find("bwrap")
        _try(self._bwrap)
        self.state, self.etc = folder / "state", folder / "etc"
        for each in (self.state, self.etc):
            each.mkdir()
        self._filter, self._info = folder / "filter.bpf", folder / "info.json"
        self._service = read_unit(UNIT)["Service"]
        write_filter(self._filter, list_allowed(self._service["SystemCallFilter"], self._analyze))

    def wrap(self, *command):
        """The command, held in."""
        umask, core = self._service["UMask"][0], self._service["LimitCORE"][0]
        streams = f"8<{shlex.quote(str(self._filter))} 9>{shlex.quote(str(self._info))}"
        script = f'umask {umask}; ulimit -c {core}; exec "$@" {streams}'
        rights = ["--unshare-user", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL", "--die-with-parent"]
        held = [self._bwrap, *self._describe_files(), *rights, "--seccomp", "8", "--info-fd", "9", "--"]
        return ["sh", "-c", script, "sh", *held, *command]

    def _describe_files(self):
        files = ["--ro-bind", "/", "/", "--dev", "/dev"]
        for hidden in HIDDEN:
            if Path(hidden).is_dir():
                files += ["--tmpfs", hidden]
        for path in sorted({sys.prefix, sys.base_prefix, str(ROOT), str(self.etc)}):
            files += ["--ro-bind", path, path]
        return [*files, "--bind", str(self.state), str(self.state), "--chdir", str(self.state)]

    @property
    def pid(self):
        """Of the process that is held in; bubblewrap waits for it, and ends with its exit code."""
        return json.loads(self._info.read_text())["child-pid"]


def _find(program):
    found = shutil.which(program)
    if not found:
        raise NotPossibleError(f"{program} is not installed")
    return found


def _try(bwrap):
    """Containers often forbid what bubblewrap needs."""
    try:
        load_library()
    except OSError as error:
        raise NotPossibleError(f"libseccomp is not installed ({error})") from error
    command = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-user", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPossibleError(f"bubblewrap may not make its view of the files: {done.stderr.strip()}")
