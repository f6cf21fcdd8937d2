# SPDX-License-Identifier: GPL-2.0-only
"""JSON that another program wrote: whatever is wrong with it is that program's fault, not ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

T = TypeVar("T")
Blame = Callable[[str], Exception]
"""What to raise, given what is wrong."""


class Objects(list[dict[str, Any]]):
    """As a kind: a list that holds objects only."""


Kinds = Mapping[str, type | tuple[type, ...]]
"""Key -> type of its value, wherever it stands. A number is ``float``, also without a fraction, and
finite, which in Python's JSON it need not be."""

MOST_QUOTED = 200


class Answer(dict[str, Any]):
    """An object of an answer; a key that it lacks raises what ``blame`` makes of it."""

    def __init__(self, content: Iterable[tuple[str, Any]], blame: Blame) -> None:
        super().__init__(content)
        self.blame = blame

    def __missing__(self, key: str) -> Any:
        raise self.blame(f"no {key!r} in {_quoted(dict(self))}")


def parse(text: str | bytes, kind: type[T], blame: Blame, kinds: Kinds | None = None) -> T:
    """The value of type ``kind`` that ``text`` is; its objects are :class:`Answer`.

    Raises what ``blame`` makes of text that is no JSON, or of a value of another type.
    """
    known = kinds or {}

    def checked(pairs: list[tuple[str, Any]]) -> Answer:
        for key, value in pairs:
            if key in known:
                require(value, known[key], blame, f"{key!r} is")
        return Answer(pairs, blame)

    try:
        found: object = json.loads(text, object_pairs_hook=checked)
    except (ValueError, RecursionError) as err:
        raise blame(f"no JSON: {_quoted(text)}") from err
    return cast("T", require(found, kind, blame, "got"))


def require(value: object, kind: Any, blame: Blame, what: str) -> Any:
    """The value, if it is of that type (see :data:`Kinds`); else raises what ``blame`` makes."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not any(_fits(value, one) for one in kinds):
        names = " or ".join(one.__name__ for one in kinds)
        raise blame(f"{what} {_quoted(value)}, which is no {names}")
    return value


def _fits(value: object, kind: type) -> bool:
    if kind is Objects:
        return isinstance(value, list) and all(isinstance(one, dict) for one in value)
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    return isinstance(value, kind)


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
