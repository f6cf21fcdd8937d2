# SPDX-License-Identifier: GPL-2.0-only
"""The lock files hold what pyproject.toml asks for, each package with hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    """A package name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", name)[0]).lower()


def locked(name: str) -> dict[str, str]:
    """package -> its entry in a lock file, version and hashes."""
    text = (TOP / ".ci" / f"requirements-{name}.lock").read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)
    return {normal(entry): entry for entry in entries if "==" in entry}


@pytest.mark.parametrize(("lock", "extras"), [("run", []), ("dev", ["test", "lint"])])
def test_lock_covers_the_dependencies(lock: str, extras: list[str]) -> None:
    wanted = list(PROJECT["dependencies"])
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    assert {normal(name) for name in wanted} <= locked(lock).keys()


@pytest.mark.parametrize("name", ["docs", "readers"])
def test_lock_of_a_job_covers_its_extra(name: str) -> None:
    """It is installed by itself, so that it need not agree with the others."""
    wanted = {normal(package) for package in PROJECT["optional-dependencies"][name]}
    assert wanted <= locked(name).keys()


@pytest.mark.parametrize("lock", ["run", "dev", "docs", "readers"])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    entries = locked(lock)
    assert len(entries) > 10
    assert [name for name, entry in entries.items() if "--hash=sha256:" not in entry] == []


def test_both_locks_agree() -> None:
    run, dev = locked("run"), locked("dev")
    versions = {name: entry.split()[0] for name, entry in run.items()}
    assert {name: dev[name].split()[0] for name in versions} == versions
