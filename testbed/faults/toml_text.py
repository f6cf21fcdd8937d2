# SPDX-License-Identifier: GPL-2.0-only
"""Plain values as TOML: the standard library reads TOML and does not write it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def value(thing: Any) -> str:
    """One value; tables inline."""
    if isinstance(thing, bool):
        return "true" if thing else "false"
    if isinstance(thing, int | float):
        return repr(thing)
    if isinstance(thing, str):
        return json.dumps(thing).replace("\x7f", "\\u007f")
    if isinstance(thing, Mapping):
        inside = ", ".join(f"{_key(name)} = {value(one)}" for name, one in thing.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(thing, list | tuple):
        return f"[{', '.join(value(one) for one in thing)}]"
    raise TypeError(f"{thing!r} has no TOML form")


def document(table: Mapping[str, Any]) -> str:
    """A whole file: lists of tables as ``[[name]]``, tables as ``[name]``, all else first."""
    lines = []
    tables = []
    for name, thing in table.items():
        if isinstance(thing, list | tuple) and thing and isinstance(thing[0], Mapping):
            for one in thing:
                tables += ["", f"[[{_key(name)}]]", *_body(one)]
        elif isinstance(thing, Mapping):
            tables += ["", f"[{_key(name)}]", *_body(thing)]
        else:
            lines.append(f"{_key(name)} = {value(thing)}")
    return "\n".join([*lines, *tables]) + "\n"


def _body(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(name)} = {value(thing)}" for name, thing in table.items()]
