# SPDX-License-Identifier: GPL-2.0-only
"""Client of the card's control channel: JSON lines on a stream socket.

Request ``{"id": n, "method": m, "params": {...}}``, answer ``{"id": n, "result": ...}`` or
``{"id": n, "error": {"message": text}}``; unasked ``{"event": name, ...}``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Mapping
from typing import Any

from testbed.errors import TestbedError
from testbed.host.answer import Blame, Kinds, Objects, parse

LINE_CAP_BYTES = 16 << 20
EVENT_CAP = 10_000


SAYS: Kinds = {
    **dict.fromkeys(("violations", "counters", "unknown_commands"), dict),
    **dict.fromkeys(("refused_commands", "missing_commands"), dict),
    **dict.fromkeys(("live_mappings", "maps_total", "unmaps_total"), float),
    "kept": Objects,
}
"""What stands under these names, wherever the card says them."""


class ControlClosed(Exception):
    """The card closed the channel, or sent what is not JSON."""


class ControlError(Exception):
    """The card refused a request."""


class ControlClient:
    """One connection; its methods run in the machine's loop.

    ``events`` holds what the card reported unasked, oldest first, at most EVENT_CAP. ``blame``
    makes what a result raises that lacks what it is asked for.
    """

    def __init__(self, blame: Blame = ControlClosed) -> None:
        self._blame = blame
        self.events: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None

    async def connect(self, connection: socket.socket) -> None:
        """Take over our end of the channel."""
        reader, self._writer = await asyncio.open_connection(sock=connection, limit=LINE_CAP_BYTES)
        self._listener = asyncio.create_task(self._listen(reader))

    async def request(
        self, method: str, params: Mapping[str, object] | None = None, *, timeout_s: float = 10.0
    ) -> Any:
        """Ask and return the result. Raises ControlError, ControlClosed, TimeoutError."""
        if self._writer is None or self._listener is None or self._listener.done():
            raise ControlClosed("the card has closed its control channel")
        number = next(self._ids)
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "method": method, "params": dict(params or {})})
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(line.encode() + b"\n")
                await self._writer.drain()
                return await answer
        except (ConnectionError, BrokenPipeError) as err:
            raise ControlClosed(str(err)) from err
        finally:
            self._pending.pop(number, None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        problem = ControlClosed("the card has closed its control channel")
        try:
            while line := await reader.readline():
                self._take(parse(line, dict, self._blame, SAYS))
        except (ControlClosed, TestbedError, ValueError, OSError, TypeError) as err:
            problem = ControlClosed(f"the card's control channel broke: {err}")
        finally:
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(problem)

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            if len(self.events) < EVENT_CAP:
                self.events.append(message)
            return
        answer = self._pending.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in message:
            error = message["error"]
            why = error.get("message") if isinstance(error, dict) else error
            answer.set_exception(ControlError(str(why)))
        else:
            answer.set_result(message.get("result"))

    async def close(self) -> None:
        """Close our end."""
        if self._writer is not None:
            self._writer.close()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
