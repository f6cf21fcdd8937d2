# SPDX-License-Identifier: GPL-2.0-only
"""What ``record.sh`` prints, as values: ``section/name`` -> text.

The output of ethtool, devlink and ip is for people and differs between their versions. What is
read of it is what they say by name; a line without a name is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.conformance.config_space import read_config_space
from testbed.errors import UsageProblem

EXIT = "exit"
"""In each section: how its command ended. ``absent``: there is no such program."""
MESSAGE = "message"
_HEADINGS = frozenset({
    "Pre-set maximums", "Current hardware settings", "RSS hash function",
    "RSS input transformation", "UDP port table 0", "UDP port table 1", "UDP port table 2",
})  # fmt: skip
_SEVERAL = re.compile(r"(Adaptive|CQE mode) RX: (\S+)\s+TX: (\S+)")
_RING_NAME = re.compile(r"\[(\d+)\]:? ?")
_LONGEST = 4000

Pairs = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """What one command printed, and how it ended."""

    name: str
    lines: tuple[str, ...]
    end: str


def sections(text: str) -> Iterator[Section]:
    """The sections of ``text``, as they come. Each ends with a line that says how."""
    name, lines = "", list[str]()
    for line in text.splitlines():
        line = line[:_LONGEST]
        if line.startswith("=== "):
            name, lines = line[4:].strip(), []
        elif line.startswith("--- ") and name:
            yield Section(name, tuple(lines), line[4:].strip())
            name = ""
        else:
            lines.append(line.rstrip())


def read_face(text: str, source: Path) -> dict[str, str]:
    """The values in the output of ``record.sh``; ``source`` is named if it is none.

    Raises UsageProblem.
    """
    found: dict[str, str] = {}
    for section in sections(text):
        found.update({f"{section.name}/{name}": value for name, value in _values(section)})
    if found.get("made/format") != "1":
        raise UsageProblem(
            f"{source}: not the output of record.sh", remedy="testbed conformance script prints it"
        )
    return found


def _values(section: Section) -> Pairs:
    yield EXIT, section.end
    if section.end != "0":
        message = next((line.strip() for line in section.lines if line.strip()), "")
        if message:
            yield MESSAGE, message
        return
    kind = "hash" if section.name.startswith("hash-") else section.name
    yield from READERS.get(kind, _named)(section.lines)


def _named(lines: Sequence[str]) -> Pairs:
    """``name: value``, with further lines of a list below; a name that comes again adds to it."""
    heading, last = "", ""
    found: dict[str, list[str]] = {}
    for line in lines:
        several = _SEVERAL.match(line)
        if several:
            found[f"{several[1]} RX"] = [several[2]]
            found[f"{several[1]} TX"] = [several[3]]
            continue
        name, colon, value = line.strip().partition(":")
        name, value = name.strip(), " ".join(value.split())
        if not colon:
            if last and line[:1].isspace() and name not in ("", "No entries"):
                found[last].append(" ".join(name.split()))
        elif name in _HEADINGS:
            heading, last = f"{name}/", ""
        elif not (value == "" and not line[:1].isspace() and " for " in name):
            last = heading + name
            found.setdefault(last, []).extend([value] if value else [])
    for name, parts in found.items():
        yield name, _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    """One part as it is; of several a set, as the order is the tool's."""
    words = parts if len(parts) < 2 else sorted({word for part in parts for word in [part]})
    return ", ".join(words)


def _ip(lines: Sequence[str]) -> Pairs:
    words = " ".join(lines).split()
    for name in (
        "mtu", "qdisc", "qlen", "minmtu", "maxmtu", "numtxqueues", "numrxqueues", "gso_max_size",
        "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size", "gso_ipv4_max_size",
        "gro_ipv4_max_size", "portname", "switchid", "parentbus", "parentdev",
    ):  # fmt: skip
        if name in words[:-1]:
            yield name, words[words.index(name) + 1]


def _rules(lines: Sequence[str]) -> Pairs:
    for line in lines:
        found = re.match(r"Total (\d+) rules", line)
        if found:
            yield "total", found[1]


def _rss(lines: Sequence[str]) -> Pairs:
    buckets, key = 0, 0
    rest = []
    for line in lines:
        if re.match(r"\s+\d+:(\s+\d+)+$", line):
            buckets += len(line.split()) - 1
        elif re.match(r"([0-9a-fx]{2}:)+[0-9a-fx]{2}$", line):
            key = line.count(":") + 1
        elif "indirection table" not in line:
            rest.append(line)
    yield "table", str(buckets)
    yield "key bytes", str(key)
    for name, value in _named(rest):
        if value:
            yield name, value


def _statistics(lines: Sequence[str]) -> Pairs:
    """Names; those of rings once."""
    for line in lines:
        name, colon, value = line.strip().rpartition(":")
        if not colon or not value.strip().isdigit():
            continue
        ring = _RING_NAME.match(name)
        if ring is None:
            yield name, "present"
        elif ring[1] == "0":
            yield f"[ring] {name[ring.end() :]}", "present"


def _dump(lines: Sequence[str]) -> Pairs:
    for part in ", ".join(lines).split(","):
        name, colon, value = part.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _memory(lines: Sequence[str]) -> Pairs:
    found = re.search(r"0x0+:\s+([0-9a-f]{2}) ([0-9a-f]{2})", "\n".join(lines))
    if found:
        yield "entries", str(int(found[1], 16))
        yield "bytes of an entry", str(int(found[2], 16))


def _registers(lines: Sequence[str]) -> Pairs:
    yield "bytes", "".join(lines).strip()


def _hash(lines: Sequence[str]) -> Pairs:
    yield "fields", ", ".join(line.strip() for line in lines[1:] if line.strip()) or "none"


def _info(lines: Sequence[str]) -> Pairs:
    """devlink dev info: ``name value``, versions below fixed, running and stored."""
    heading = ""
    for line in lines[1:]:
        name, _, value = line.strip().partition(" ")
        if name.endswith(":"):
            heading = "" if name == "versions:" else f"{name[:-1]}/"
        elif value:
            yield heading + name, value.strip()


def _parameters(lines: Sequence[str]) -> Pairs:
    name = ""
    for line in lines[1:]:
        named = re.match(r"\s+name (\S+) type (\S+)", line)
        value = re.match(r"\s+cmode (\S+) value (\S+)", line)
        if named:
            name = named[1]
            yield f"{name}/type", named[2]
        elif value and name:
            yield f"{name}/{value[1]}", value[2]


def _health(lines: Sequence[str]) -> Pairs:
    name = ""
    for line in lines[1:]:
        words = line.split()
        if words[:1] == ["reporter"]:
            name = words[-1]
        else:
            yield from ((f"{name}/{words[i]}", words[i + 1]) for i in range(0, len(words) - 1, 2))


def _port(lines: Sequence[str]) -> Pairs:
    words = " ".join(lines).partition(": ")[2].split()
    for name in ("type", "flavour", "port", "splittable", "external", "lanes"):
        if name in words[:-1]:
            yield name, words[words.index(name) + 1]


def _switch(lines: Sequence[str]) -> Pairs:
    words = " ".join(lines).partition(": ")[2].split()
    yield from ((words[i], words[i + 1]) for i in range(0, len(words) - 1, 2))


def _selftests(lines: Sequence[str]) -> Pairs:
    yield "names", ", ".join(line.strip() for line in lines[1:] if line.strip())


def _first_line(lines: Sequence[str]) -> Pairs:
    yield "name", " / ".join(line.strip() for line in lines)


READERS: dict[str, Callable[[Sequence[str]], Pairs]] = {
    "kernel": _first_line, "tools": _first_line, "config": read_config_space, "ip": _ip,
    "rules": _rules, "rss": _rss, "statistics": _statistics, "groups": _statistics,
    "dump": _dump, "memory": _memory, "registers": _registers, "hash": _hash, "info": _info,
    "parameters": _parameters, "health": _health, "port": _port, "switch": _switch,
    "selftests": _selftests,
}  # fmt: skip
