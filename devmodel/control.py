# SPDX-License-Identifier: GPL-2.0-only
"""Control channel: one JSON object per line each way.

Request ``{"id": any, "method": str, "params": {...}}``; answer ``{"id": ..., "result": {...}}`` or
``{"id": ..., "error": {"kind": "bad_request" | "unknown_method" | "bad_params", "message": str}}``.
"""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

MAX_LINE_BYTES = 256 << 10
MAX_UNSENT_BYTES = 16 << 20

Method = Callable[[dict[str, Any]], dict[str, Any]]


class BadParams(Exception):
    """A method does not accept its parameters; the message says why."""


class ControlChannel:
    """One connected client.

    :param methods: by name; each takes the parameters and returns the result, or raises BadParams.
    :ivar closed: the client has gone, or broke the line limits.
    """

    def __init__(self, sock: socket.socket, methods: Mapping[str, Method]) -> None:
        sock.setblocking(False)
        self.closed = False
        self._socket = sock
        self._methods = methods
        self._line = bytearray()
        self._lines: deque[bytes] = deque()
        self._unsent = bytearray()

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Call :meth:`flush` when the socket is writable."""
        return bool(self._unsent)

    @property
    def has_input(self) -> bool:
        """Requests have arrived that :meth:`serve` was not allowed to answer."""
        return bool(self._lines) and not self.closed

    @property
    def next_method(self) -> str:
        """Method of the first request that waits; empty if none does, or it has none."""
        return _method_of(_parse(self._lines[0])) if self.has_input else ""

    def serve(self, allowed: Callable[[str], bool] = lambda method: True) -> None:
        """Take in what has arrived and answer every complete line.

        :param allowed: says of a method whether it may be called now. A request for another one
            waits for the next time, and all behind it do.
        """
        if not self._lines:
            self._receive()
        while self._lines and not self.closed:
            request = _parse(self._lines[0])
            if not allowed(_method_of(request)):
                return
            self._lines.popleft()
            self._send(self._answer(request))
        if len(self._line) > MAX_LINE_BYTES and not self.closed:
            self._send(_error(None, "bad_request", f"line longer than {MAX_LINE_BYTES} bytes"))
            self.close()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest
        self._lines += [bytes(line) for line in lines if line.strip()]

    def flush(self) -> None:
        """Send what is left of earlier answers."""
        try:
            sent = self._socket.send(self._unsent)
            del self._unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()

    def close(self) -> None:
        """Disconnect."""
        if not self.closed:
            self.closed = True
            self._socket.close()

    def _answer(self, request: Any) -> dict[str, Any]:
        if isinstance(request, _NotJson):
            return _error(None, "bad_request", f"not JSON: {request}")
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, "bad_request", "expected an object with a method")
        request_id = request.get("id")
        params = request.get("params", {})
        method = self._methods.get(request["method"])
        if method is None:
            known = ", ".join(sorted(self._methods))
            return _error(request_id, "unknown_method", f"known methods: {known}")
        if not isinstance(params, dict):
            return _error(request_id, "bad_params", "params is not an object")
        try:
            return {"id": request_id, "result": method(params)}
        except BadParams as e:
            return _error(request_id, "bad_params", str(e))

    def _send(self, answer: dict[str, Any]) -> None:
        self._unsent += json.dumps(answer).encode() + b"\n"
        self.flush()
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self.close()


class _NotJson(str):
    """Why a line is none."""


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as e:
        return _NotJson(e)


def _method_of(request: Any) -> str:
    method = request.get("method") if isinstance(request, dict) else None
    return method if isinstance(method, str) else ""


def _error(request_id: Any, kind: str, message: str) -> dict[str, Any]:
    return {"id": request_id, "error": {"kind": kind, "message": message}}
