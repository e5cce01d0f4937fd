"""The system-call filter of a unit, as the program that the kernel runs: what systemd would load, by libseccomp."""

import ctypes
import errno
import fcntl
import mmap
import os
import socket
import stat
import subprocess

_ALLOW = 0x7FFF0000
_MASKED_EQ, _EQ = 7, 4
_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_SHM_EXEC = 0o100000
_SETID = stat.S_ISUID | stat.S_ISGID


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def _refuse(number):
    return 0x00050000 | number


def _without(argument, bits):
    return _Comparison(argument, _MASKED_EQ, bits, 0)


_CONDITIONS = {
    # MemoryDenyWriteExecute
    "mmap": [_without(2, mmap.PROT_EXEC), _without(2, mmap.PROT_WRITE)],
    "mprotect": [_without(2, mmap.PROT_EXEC)],
    "pkey_mprotect": [_without(2, mmap.PROT_EXEC)],
    "shmat": [_without(2, _SHM_EXEC)],
    # RestrictAddressFamilies
    "socket": [_Comparison(0, _EQ, family, 0) for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)],
    # RestrictNamespaces
    "clone": [_without(0, _NAMESPACES)],
    "unshare": [_without(0, _NAMESPACES)],
    # RestrictSUIDSGID
    "chmod": [_without(1, _SETID)],
    "fchmod": [_without(1, _SETID)],
    "fchmodat": [_without(2, _SETID)],
    # LockPersonality
    "personality": [_Comparison(0, _EQ, 0, 0)],
}
"""What the unit allows of a call: any of these. Its other directives forbid whole calls, or are the kernel's."""
_NEVER = {"setns": errno.EPERM, "clone3": errno.ENOSYS}
"""RestrictNamespaces: a filter cannot look at what clone3 is asked for, and the C library does without it."""


def load_library():
    """libseccomp. Raises OSError where it is not installed."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Comparison))
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library


def list_allowed(values, analyze):
    """The calls that the values of SystemCallFilter= let through: a line with `~` takes from those before it."""
    sets = _read_sets(subprocess.run([analyze, "syscall-filter", "--no-pager"], capture_output=True, check=True))
    allowed = set(_expand(["@default"], sets))
    for value in values:
        names = set(_expand(value.removeprefix("~").split(), sets))
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


def _read_sets(done):
    sets, members = {}, []
    for line in done.stdout.decode().splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), [])
        elif line.startswith(" ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return sets


def _expand(names, sets):
    for name in names:
        if name.startswith("@"):
            yield from _expand(sets[name], sets)
        else:
            yield name


def write_filter(path, allowed):
    """The program into a file. What is not allowed fails with EPERM, as the unit's SystemCallErrorNumber says."""
    library = load_library()
    context = library.seccomp_init(_refuse(errno.EPERM))
    for name in sorted(allowed - set(_NEVER)):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # of another machine, or younger than the library
            continue
        for condition in _CONDITIONS.get(name) or [None]:
            _add(library, context, _ALLOW, number, condition)
    for name, code in _NEVER.items():
        if code != errno.EPERM:
            _add(library, context, _refuse(code), library.seccomp_syscall_resolve_name(name.encode()), None)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | fcntl.FD_CLOEXEC, 0o600)
    try:
        if library.seccomp_export_bpf(context, file):
            raise OSError(f"{path}: the filter cannot be written")
    finally:
        os.close(file)
        library.seccomp_release(context)


def _add(library, context, action, number, condition):
    conditions = (_Comparison * 1)(condition) if condition else None
    if library.seccomp_rule_add_array(context, action, number, 1 if condition else 0, conditions):
        raise OSError(f"no rule for the system call {number}")
