# SPDX-License-Identifier: GPL-2.0-only
"""The server: answers this machine only, with the page as it is now."""

from __future__ import annotations

import asyncio
from pathlib import Path

from testbed.errors import EnvironmentProblem
from testbed.fuzz.serve import HOST, application


def get(
    path: str, tmp_path: Path, host: str = "127.0.0.1:8571", broken: bool = False
) -> tuple[int, str]:
    """One request, as a server hands it on; status and body."""

    def render() -> str:
        if broken:
            raise EnvironmentProblem("the store is damaged")
        return "<p>page</p>"

    (tmp_path / "coverage").mkdir(exist_ok=True)
    (tmp_path / "coverage" / "index.html").write_text("lines")
    (tmp_path / "secret").write_text("secret")
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
        "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": [(b"host", host.encode())], "server": (HOST, 8571),
        "client": (HOST, 1),
    }  # fmt: skip
    asyncio.run(application(render, tmp_path / "coverage")(scope, receive, send))  # type: ignore[arg-type]
    body = b"".join(bytes(one.get("body", b"")) for one in sent)  # type: ignore[call-overload]
    return int(str(sent[0]["status"])), body.decode()


def test_page_and_lines(tmp_path: Path) -> None:
    assert HOST == "127.0.0.1"
    assert get("/", tmp_path) == (200, "<p>page</p>")
    assert get("/coverage/index.html", tmp_path) == (200, "lines")


def test_nothing_else(tmp_path: Path) -> None:
    assert get("/coverage/../secret", tmp_path)[0] == 404
    assert get("/secret", tmp_path)[0] == 404
    assert get("/", tmp_path, host="evil.example")[0] == 400


def test_a_store_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    status, text = get("/", tmp_path, broken=True)
    assert (status, text) == (503, "the store is damaged\n")
