# SPDX-License-Identifier: GPL-2.0-only
"""The campaign's page on this machine, read anew from the store while the campaign runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from testbed.errors import TestbedError
from testbed.fuzz.covered import COVERAGE

HOST = "127.0.0.1"
REFRESH_S = 15


def application(render: Callable[[], str], coverage: Path) -> Starlette:
    """``render`` makes the page (it may raise TestbedError), ``coverage`` holds its line pages.

    Only who asks for this machine by its name is answered: a page of somebody else's that a
    browser shows cannot read it under another name.
    """

    async def page(_request: Request) -> Response:
        try:
            return HTMLResponse(await run_in_threadpool(render))
        except TestbedError as error:
            return PlainTextResponse("\n".join(error.lines()) + "\n", status_code=503)

    return Starlette(
        routes=[
            Route("/", page),
            Mount(f"/{COVERAGE}", StaticFiles(directory=coverage, check_dir=False)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


def serve(application: Starlette, port: int) -> None:
    """Serve until interrupted, on 127.0.0.1 only."""
    uvicorn.run(application, host=HOST, port=port, log_level="warning")
