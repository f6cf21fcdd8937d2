# SPDX-License-Identifier: GPL-2.0-only
"""From groups of options to a .config, and from the .config back to what was not granted.

Kconfig drops an option it does not know, or whose dependencies are not met, without a word. Here
both are errors that name the option, who requested it and what it depends on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernels.fragments import Group
from kernels.version import KernelVersion

USER_GROUP = "--config"

_LINE = re.compile(r"CONFIG_(\w+)=(.*)|# CONFIG_(\w+) is not set")
_ARCH_FILES = {
    "um": re.compile(r"arch/(Kconfig|um/.*|x86/um/.*|x86/Kconfig\.cpu)"),
    "x86_64": re.compile(r"arch/(Kconfig|x86/(?!um/).*)"),
}
_PLAIN = re.compile(r"[ymn]|-?\d+|0x[0-9a-fA-F]+")


class ConfigProblem(Exception):
    """Options that the kernel does not grant, or a fragment that cannot be read.

    `log` is the file with the whole story, if there is one.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Selection:
    """The groups that a source can have, and the names of those it is too old for."""

    groups: Sequence[Group]
    left_out: Sequence[str]

    @property
    def options(self) -> dict[str, str]:
        """Every option; a later group overrides an earlier one."""
        return {name: value for group in self.groups for name, value in group.options.items()}

    def owner(self, option: str) -> Group:
        """The group that has the last word on an option."""
        return next(group for group in reversed(self.groups) if option in group.options)


def select(groups: Sequence[Group], version: KernelVersion) -> Selection:
    """Leave out the groups whose `since` is after `version`."""
    too_new = [
        group for group in groups if group.since is not None and not version.is_since(group.since)
    ]
    return Selection(
        [group for group in groups if group not in too_new], [group.name for group in too_new]
    )


def read_config(text: str) -> dict[str, str]:
    """Options of a .config or fragment; "is not set" is "n".

    Raises ConfigProblem on lines that are neither an option nor a comment.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if match := _LINE.fullmatch(stripped):
            if match[3]:
                found[match[3]] = "n"
            else:
                found[match[1]] = _unquoted(match[2])
        elif stripped and not stripped.startswith("#"):
            raise ConfigProblem(
                f"line {number} is no configuration: {stripped!r} "
                "(expected CONFIG_NAME=value or '# CONFIG_NAME is not set')"
            )
    return found


def read_fragment(path: Path) -> Group:
    """A user's own fragment as the last group. Raises ConfigProblem."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigProblem(f"fragment {path} cannot be read: {error}") from error
    try:
        return Group(USER_GROUP, f"requested in {path}", read_config(text))
    except ConfigProblem as problem:
        raise ConfigProblem(f"fragment {path}: {problem}") from problem


def render(options: Mapping[str, str]) -> str:
    """Text for KCONFIG_ALLCONFIG."""
    lines = []
    for name, value in sorted(options.items()):
        if value == "n":
            lines.append(f"# CONFIG_{name} is not set\n")
        elif _PLAIN.fullmatch(value):
            lines.append(f"CONFIG_{name}={value}\n")
        else:
            escaped = value.replace("\\", r"\\").replace('"', r"\"")
            lines.append(f'CONFIG_{name}="{escaped}"\n')
    return "".join(lines)


def check(selection: Selection, text: str, source: Path, arch: str) -> None:
    """Compare a .config with what was requested. Raises ConfigProblem naming every difference.

    `source` is the kernel tree, searched for the definition of what is missing.
    """
    granted = read_config(text)
    refused = {
        name: (value, granted.get(name, "n"))
        for name, value in selection.options.items()
        if not _same(value, granted.get(name, "n"))
    }
    if not refused:
        return
    definitions = find_definitions(source, refused, arch)
    lines = []
    for name, (wanted, got) in sorted(refused.items()):
        group = selection.owner(name)
        requested = f"CONFIG_{name}={wanted} (group {group.name!r}: {group.reason})"
        if name not in definitions:
            lines.append(f"{requested}: this kernel has no such option")
        else:
            depends = "; ".join(definitions[name]) or "nothing by itself, perhaps by its menu"
            lines.append(f"{requested}: the kernel made it {got}; it depends on {depends}")
    raise ConfigProblem("\n".join(lines))


def find_definitions(source: Path, names: Mapping[str, object], arch: str) -> dict[str, list[str]]:
    """`option -> what it depends on` for those of `names` that some Kconfig file defines.

    Known are its "depends on" lines and the "if" blocks around it in the same file.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(source.rglob("Kconfig*")):
        below = str(path.relative_to(source))
        if not path.is_file() or (
            below.startswith("arch/") and not _ARCH_FILES[arch].fullmatch(below)
        ):
            continue
        current = ""
        around: list[str] = []
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] in ("config", "menuconfig"):
                current = words[1]
                if current in names:
                    found.setdefault(current, []).extend(around)
            elif line.startswith("if "):
                around.append(" ".join(words[1:]))
            elif line.startswith("endif") and around:
                around.pop()
            elif words[:2] == ["depends", "on"] and current in found:
                found[current].append(" ".join(words[2:]))
    return found


def _same(wanted: str, granted: str) -> bool:
    if wanted == granted:
        return True
    try:
        return int(wanted, 0) == int(granted, 0)  # 16384 or 0x4000
    except ValueError:
        return False


def _unquoted(value: str) -> str:
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return value[1:-1].replace(r"\"", '"').replace(r"\\", "\\")
    return value
