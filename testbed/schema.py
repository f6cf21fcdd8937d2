# SPDX-License-Identifier: GPL-2.0-only
"""TOML files into frozen dataclasses; an error names the file, the key and the allowed values.

The fields of a dataclass are the keys of a table: their types say what is allowed, and nothing is
converted (``"4"`` is no integer, ``1`` no boolean), but a text that names a member of an enum, a
path or a regular expression. Ranges and lengths are those of ``annotated_types``. What several
keys have to do with each other is checked in ``__post_init__``, which raises :class:`WrongValue`.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Interval, MinLen

from testbed.errors import ConfigProblem

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationInfo
    from pydantic_core import CoreSchema, ErrorDetails

T = TypeVar("T")
WHOLE_FILE = "(whole file)"
MOST_QUOTED = 100
"""Characters of a wrong value that an error shows."""
MOST_DOTS = 1000
"""In one line. tomllib takes memory by the square of the parts of a dotted key: 400 kB, 100 GB."""
MOST_DEEP, MOST_BITS = 16, 64
"""Of JSON: tables and lists in each other, and the bits of a number."""
_UNKNOWN_KEY = "unexpected_keyword_argument"
_WORDS: Mapping[Any, str] = {
    bool: "true, false", int: "an integer", float: "a number", str: "a string", Path: "a string",
    datetime.date: "a date, such as 2026-11-20", re.Pattern: "a regular expression",
    tuple: "a list", frozenset: "a list", Mapping: "a table",
}  # fmt: skip


class WrongValue(ValueError):
    """A value that its type allows is wrong. ``key`` is its key in the table, "" for the table."""

    def __init__(self, problem: str, *, key: str = "", allowed: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.key = key
        self.allowed = list(allowed)


class After:
    """In an ``Annotated``: what becomes of a value of the right type. May raise WrongValue."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self.convert = convert

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.convert, handler(source))


class OneOf(After):
    """In an ``Annotated``: the only texts that are allowed."""

    def __init__(self, texts: Collection[str]) -> None:
        super().__init__(self.check)
        self.texts = texts

    def check(self, text: str) -> str:
        """``text``, if it is one of them. Raises WrongValue."""
        if text not in self.texts:
            raise WrongValue(f"{text!r:.{MOST_QUOTED}} is not allowed", allowed=list(self.texts))
        return text


class FromText:
    """In an ``Annotated``: a thing that the file has as a text, which ``words`` describe.

    ``convert`` may raise ValueError.
    """

    def __init__(self, convert: Callable[[str], Any], words: str) -> None:
        self.convert = convert
        self.words = words

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        text = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(self._converted, text)

    def _converted(self, text: str) -> Any:
        try:
            return self.convert(text)
        except ValueError as err:
            raise WrongValue(f"{text!r} is not allowed", allowed=[self.words]) from err


class _FromTheFile:
    """In an ``Annotated``: a path that is relative to the folder of the file that names it."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        def place(path: Path, info: ValidationInfo) -> Path:
            folder: Path = info.context  # type: ignore[assignment]
            try:
                return folder / path.expanduser()
            except RuntimeError as err:  # no such user
                raise WrongValue(f"{str(path)!r}: {err}", allowed=["a path"]) from err

        return core_schema.with_info_after_validator_function(place, handler(source))


class _Unquoted:
    """In an ``Annotated``: a date as TOML has it, not a text."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(_date)


def _date(written: Any) -> datetime.date:
    if not isinstance(written, list) or written[:2] != [None, "date"]:
        raise WrongValue(f"{written!r} is not allowed", allowed=["a date, such as 2026-11-20"])
    return datetime.date.fromisoformat(written[2])


def _pattern(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if not pattern.pattern:
        raise WrongValue("is empty", allowed=["a regular expression"])
    return pattern


Text = Annotated[str, MinLen(1)]
Texts = Annotated[tuple[str, ...], MinLen(1)]
Date = Annotated[datetime.date, _Unquoted()]
Regex = Annotated[re.Pattern[str], After(_pattern)]
FilePath = Annotated[Path, _FromTheFile()]


def read_text(file: Path) -> str:
    """What a file of UTF-8 holds. Raises ConfigProblem."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as err:
        raise ConfigProblem(file, WHOLE_FILE, f"not TOML: {err}") from err
    except OSError as err:
        raise ConfigProblem(file, WHOLE_FILE, f"cannot be read: {err.strerror}") from err


def toml_as_json(file: Path, text: str) -> str:
    """The ``text`` of ``file``, TOML, as JSON; dates as :func:`_moment`. Raises ConfigProblem."""
    if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise ConfigProblem(file, WHOLE_FILE, f"not TOML: a line has more than {MOST_DOTS} dots")
    try:
        return json.dumps(tomllib.loads(text), default=_moment)
    except (ValueError, RecursionError) as err:  # of the parser, or for an endless number
        raise ConfigProblem(file, WHOLE_FILE, f"not TOML: {err}") from err


def read_toml(kind: type[T], file: Path, text: str | None = None) -> T:
    """``file``, or the ``text`` of it that is TOML, as ``kind``, a dataclass.

    Raises ConfigProblem, which names the file, the key and the allowed values; of several
    mistakes an unknown key comes first, for it explains a missing one.
    """
    as_json = toml_as_json(file, read_text(file) if text is None else text)
    return _checked(kind, file, as_json)


def read_json(kind: type[T], file: Path, text: str) -> T:
    """``text``, which is JSON, as ``kind``: the same rules and errors as for TOML.

    No null, no key twice, nothing that is not finite or has more than 64 bits, at most
    :data:`MOST_DEEP` tables and lists in each other.
    """
    try:
        read = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
        as_json = json.dumps(read, ensure_ascii=False)
        as_json.encode()  # half a surrogate pair
    except (ValueError, RecursionError) as err:
        raise ConfigProblem(file, WHOLE_FILE, f"not JSON: {err}") from err
    _check_plain(file, read, ())
    return _checked(kind, file, as_json)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"key {twice!r:.{MOST_QUOTED}} is there twice")
    return table


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_plain(file: Path, value: object, place: tuple[str | int, ...]) -> None:
    """Raise ConfigProblem for what is valid JSON and still nothing that a file may hold."""
    if value is None:
        raise ConfigProblem(file, _key(place), "null is not allowed", allowed=["no such key"])
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ConfigProblem(file, _key(place), f"has more than {MOST_BITS} bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigProblem(file, _key(place), "is not finite")
    if not isinstance(value, dict | list):
        return
    if len(place) >= MOST_DEEP:
        raise ConfigProblem(file, _key(place), f"more than {MOST_DEEP} levels deep")
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if len(str(key)) > MOST_QUOTED:
            raise ConfigProblem(file, _key(place), f"has a key of more than {MOST_QUOTED} letters")
        _check_plain(file, one, (*place, key))


def _checked(kind: type[T], file: Path, as_json: str) -> T:
    from pydantic import ValidationError

    adapter = _adapter(kind)  # type: ignore[arg-type]  # a type has a hash
    try:
        checked: T | None = adapter.validate_json(as_json, context=file.parent)
    except ValidationError as err:
        first = min(err.errors(), key=lambda one: one["type"] != _UNKNOWN_KEY)
        raise _problem(file, kind, first) from err
    assert checked is not None
    return checked


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """For JSON, where strict allows texts for enums and paths."""
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return TypeAdapter(kind | None, config=config)  # only a union may have a config


def _moment(moment: datetime.date | datetime.time) -> list[str | None]:
    """A date or time for JSON. TOML has no null, so this passes for no other value."""
    return [None, type(moment).__name__, moment.isoformat()]


class _Moment:
    """A date or time in a value that was read, shown as the file has it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def readable(value: Any) -> Any:
    """A value of a file, with its dates and times such that a message shows them as written."""
    if isinstance(value, dict):
        return {key: readable(one) for key, one in value.items()}
    return _Moment(value[2]) if isinstance(value, list) and value[:1] == [None] else value


def _problem(file: Path, kind: Any, error: ErrorDetails) -> ConfigProblem:
    place = error["loc"]
    wrong = error.get("ctx", {}).get("error")
    if isinstance(wrong, WrongValue):
        place = (*place, wrong.key) if wrong.key else place
        problem, allowed = str(wrong), wrong.allowed
    elif error["type"] == _UNKNOWN_KEY:
        table = _annotation(kind, place[:-1])[0]
        problem, allowed = "unknown key", sorted(field.name for field in fields(table))
    else:
        written = repr(readable(error["input"]))
        written = written if len(written) <= MOST_QUOTED else f"{written[:MOST_QUOTED]}..."
        problem = "is missing" if error["type"] == "missing" else f"{written} is not allowed"
        allowed = _described(*_annotation(kind, place))
    return ConfigProblem(file, _key(place), problem, allowed=allowed)


def _key(place: Sequence[str | int]) -> str:
    """The full key as the file has it: ``dut.alpha.port``, ``[[splat]] 2.title``."""
    key = ""
    for number, step in enumerate(place):
        if isinstance(step, str):
            key += f".{step}" if key else step
        elif any(isinstance(later, str) for later in place[number:]):
            key = f"[[{key}]] {step + 1}"
    return key or WHOLE_FILE


def _annotation(kind: Any, place: Sequence[str | int]) -> tuple[Any, tuple[Any, ...]]:
    """The type of what stands at ``place`` in a document that is a ``kind``, and its metadata."""
    for step in place:
        table = bare(kind)[0]
        if is_dataclass(table):
            kind = get_type_hints(table, include_extras=True)[str(step)]
        else:
            kind = get_args(table)[1 if isinstance(step, str) else 0]
    return bare(kind)


def bare(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without ``Annotated`` and ``None``, and the metadata."""
    metadata: tuple[Any, ...] = ()
    while get_origin(kind) in (Annotated, Union, UnionType):
        metadata += getattr(kind, "__metadata__", ())
        kind = next(one for one in get_args(kind) if one is not NoneType)
    return kind, metadata


def _described(kind: Any, metadata: tuple[Any, ...]) -> list[str]:
    """What is allowed, for a remedy."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    for limit in metadata:
        if isinstance(limit, OneOf):
            return list(limit.texts)
        if isinstance(limit, FromText):
            return [limit.words]
    words = "a table" if is_dataclass(kind) else _WORDS.get(get_origin(kind) or kind, "a value")
    for limit in metadata:
        if isinstance(limit, Interval):
            high = "" if limit.le is None else limit.le
            words += f" in {limit.ge}..{high}"
        elif isinstance(limit, MinLen):
            words += " that is not empty"
    return [words]
