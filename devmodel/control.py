# SPDX-License-Identifier: GPL-2.0-only
"""Control channel: one JSON object per line each way.

Request ``{"id": any, "method": str, "params": {...}}``; answer ``{"id": ..., "result": {...}}`` or
``{"id": ..., "error": {"kind": "bad_request" | "unknown_method" | "bad_params", "message": str}}``.
"""

from __future__ import annotations

import json
import socket
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
        self._unsent = bytearray()

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Call :meth:`flush` when the socket is writable."""
        return bool(self._unsent)

    def serve(self) -> None:
        """Take in what has arrived and answer every complete line."""
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
        for line in lines:
            if line.strip():
                self._send(self._answer(bytes(line)))
        if len(self._line) > MAX_LINE_BYTES:
            self._send(_error(None, "bad_request", f"line longer than {MAX_LINE_BYTES} bytes"))
            self.close()

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

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as e:
            return _error(None, "bad_request", f"not JSON: {e}")
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


def _error(request_id: Any, kind: str, message: str) -> dict[str, Any]:
    return {"id": request_id, "error": {"kind": kind, "message": message}}
