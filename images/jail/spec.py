# SPDX-License-Identifier: GPL-2.0-only
"""What a jailed program may have, and that as words of a command line."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROGRAM_PID = 2
"""Of the program in its PID namespace; the first process is the jail's."""

_WORDS = {
    "filter": 1, "parent": 1, "uid": 1, "group": 1, "cwd": 1, "umask": 1, "weaker": 0, "core": 1,
    "owned": 1, "read": 2, "write": 2, "memory": 2, "device": 1, "name": 1, "link": 2,
    "limit": 2,
}  # fmt: skip
"""Each word of a command line -> how many follow it."""


class JailSpec:
    """What one program may have. All else it does not: see docs/SECURITY.md.

    ``filter``: which system calls: one of :data:`images.jail.filters.KINDS`.
    ``read`` and ``write``: place in the program's root -> file or folder of the host that is there;
    ``memory``: place -> size in bytes of a folder in memory that nobody else sees; ``devices``:
    device nodes of the host; ``links``: place -> what the symbolic link there says. All places are
    absolute. ``names``: folders whose names, and those of all below, the program may list where it
    has no root of its own. ``cwd`` is where it starts, ``umask`` what it starts with.

    ``owned``: of those places, the ones whose owner's files are the program's own; what it makes
    there belongs to that owner (:mod:`images.jail.idmap`). Without a ``uid`` they are anyway.

    ``uid`` None keeps the caller's; it must be given by root, who else would give root's rights
    away. ``groups`` are further groups. ``limits`` maps names of RLIMIT_* constants (without the
    prefix) to values: bytes, or seconds for CPU. ``parent`` is the process without which the
    program must not live: the one that starts it. ``core`` is the only one of the host that it
    runs on, None for any. ``weaker``: go on without what this host does not give
    (docs/SECURITY.md), instead of failing.
    """

    def __init__(
        self, *, filter: str, parent: int, uid: int | None = None, cwd: str = "/",
        read: Mapping[str, str] | None = None, write: Mapping[str, str] | None = None,
        memory: Mapping[str, int] | None = None, links: Mapping[str, str] | None = None,
        owned: Iterable[str] = (), devices: Iterable[str] = (), names: Iterable[str] = (),
        groups: Iterable[int] = (),
        limits: Mapping[str, int] | None = None, umask: int = 0o077, core: int | None = None,
        weaker: bool = False,
    ) -> None:  # fmt: skip
        self.filter = filter
        self.parent = parent
        self.uid = uid
        self.cwd = cwd
        self.read = dict(read or {})
        self.write = dict(write or {})
        self.memory = dict(memory or {})
        self.links = dict(links or {})
        self.owned = list(owned)
        self.devices = list(devices)
        self.names = list(names)
        self.groups = list(groups)
        self.limits = dict(limits or {})
        self.umask = umask
        self.core = core
        self.weaker = weaker

    def words(self) -> list[str]:
        """The specification as arguments; :func:`parse` is the way back."""
        words = ["filter", self.filter, "parent", str(self.parent), "cwd", self.cwd]
        words += ["umask", str(self.umask)]
        words += [] if self.uid is None else ["uid", str(self.uid)]
        words += [] if self.core is None else ["core", str(self.core)]
        words += ["weaker"] if self.weaker else []
        for name, table in (
            ("read", self.read), ("write", self.write), ("memory", self.memory),
            ("link", self.links), ("limit", self.limits),
        ):  # fmt: skip
            for key, value in table.items():
                words += [name, key, str(value)]
        for name, values in (
            ("owned", self.owned),
            ("device", self.devices),
            ("name", self.names),
            ("group", self.groups),
        ):
            for value in values:
                words += [name, str(value)]
        return words


def parse(words: list[str]) -> JailSpec:
    """The specification whose :meth:`JailSpec.words` these are."""
    given: dict[str, list[list[str]]] = {name: [] for name in _WORDS}
    at = 0
    while at < len(words):
        count = _WORDS[words[at]]
        given[words[at]].append(words[at + 1 : at + 1 + count])
        at += 1 + count
    return JailSpec(
        filter=given["filter"][0][0], parent=int(given["parent"][0][0]), cwd=given["cwd"][0][0],
        uid=int(given["uid"][0][0]) if given["uid"] else None, weaker=bool(given["weaker"]),
        umask=int(given["umask"][0][0]),
        core=int(given["core"][0][0]) if given["core"] else None,
        read=dict(given["read"]),
        write=dict(given["write"]),
        memory={place: int(size) for place, size in given["memory"]},
        links=dict(given["link"]),
        limits={name: int(value) for name, value in given["limit"]},
        owned=[place for (place,) in given["owned"]],
        devices=[device for (device,) in given["device"]],
        names=[name for (name,) in given["name"]],
        groups=[int(group) for (group,) in given["group"]],
    )  # fmt: skip
