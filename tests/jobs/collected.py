# SPDX-License-Identifier: GPL-2.0-only
"""pytest plugin: what a job of tox.ini would run, and what each test of it needs.

``pytest -p tests.jobs.collected --collect-only ...`` prints one JSON object per test.
"""

from __future__ import annotations

import json

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Print node id and capabilities of what is left after all selection."""
    for item in session.items:
        needs = {str(one.name) for marker in item.iter_markers("needs") for one in marker.args}
        print("\n" + json.dumps({"node": item.nodeid, "needs": sorted(needs)}))
