"""Runs a program as systemd would by a unit's sandbox, as far as a test can: ``sandbox.py UNIT WRITABLE COMMAND…``.

Taken from the unit: capabilities, no new privileges, writable and executable memory, system calls, address families,
namespaces, open files, core dumps, a read-only system, the view of /proc and of users. Needs root, libseccomp and
systemd-analyze.
"""

import ctypes
import errno
import os
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path

_PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE, _PR_CAPBSET_DROP, _REFUSE_EXEC_GAIN = 38, 65, 24, 1
_ALLOW, _KILL_NOT_BUT_EPERM = 0x7FFF0000, 0x00050000 | errno.EPERM
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_NOT_EQUAL = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno() or -result, what)


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Every setting of a unit with its values, in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"([A-Za-z]+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def _calls(names: str) -> set[str]:
    """The system calls of a list, groups resolved."""
    found: set[str] = set()
    for name in names.split():
        if not name.startswith("@"):
            found.add(name)
            continue
        said = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        members = [line.strip() for line in said.stdout.splitlines()[1:] if line.strip() and "#" not in line]
        found |= _calls(" ".join(members))
    return found


def _allowed(lists: list[str]) -> set[str]:
    allowed = _calls("@default")
    for names in lists:
        if names.startswith("~"):
            allowed -= _calls(names[1:])
        else:
            allowed |= _calls(names)
    return allowed


def _filter_calls(allowed: set[str], families: set[str], *, has_namespaces: bool) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_KILL_NOT_BUT_EPERM)))
    add = seccomp.seccomp_rule_add_array

    def allow(name: str, *conditions: _Comparison) -> None:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else: not one of this machine's
            array = (_Comparison * len(conditions))(*conditions)
            _check(add(context, ctypes.c_uint32(_ALLOW), number, len(conditions), array), name)

    for name in allowed - {"socket"} - (set() if has_namespaces else {"unshare", "setns"}):
        allow(name)
    for family in families:
        allow("socket", _Comparison(0, 4, getattr(socket, family), 0))  # equal
    _check(seccomp.seccomp_load(context), "seccomp_load")


def _hide_the_system(writable: str) -> None:
    """Everything but one folder, /tmp and /dev is read-only; of /proc only what is one's own shows."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")

    def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
        words = [word.encode() if word is not None else None for word in (source, target, kind)]
        _check(_libc.mount(*words, flags, data.encode() if data else None), target)

    mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    for folder in (writable, "/tmp", "/dev"):
        mount(folder, folder, None, _MS_BIND | _MS_REC)
    mount("none", "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY)
    mount("proc", "/proc", "proc", 0, "hidepid=invisible,subset=pid")


def _hide_other_users() -> None:
    """Of all users only this one is left."""
    _check(_libc.unshare(_CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    for name in ("uid_map", "gid_map"):
        Path("/proc/self", name).write_text("0 0 1")


def main() -> None:
    unit, writable, *command = sys.argv[1:]
    said = settings_of(Path(unit))
    allowed = _allowed(said["SystemCallFilter"])
    families = set(said["RestrictAddressFamilies"][0].split())
    files = min(int(said["LimitNOFILE"][0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert said["ProtectSystem"] == ["strict"] and said["ProcSubset"] == ["pid"] and said["PrivateTmp"] == ["yes"]
    _hide_the_system(writable)
    assert said["PrivateUsers"] == ["yes"]
    _hide_other_users()
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (int(said["LimitCORE"][0]),) * 2)
    assert said["CapabilityBoundingSet"] == [""]
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, none), "capset")
    assert said["NoNewPrivileges"] == ["yes"]
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if said["MemoryDenyWriteExecute"] == ["yes"]:
        _check(_libc.prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0), "memory")
    _filter_calls(allowed, families, has_namespaces=said["RestrictNamespaces"] != ["yes"])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
