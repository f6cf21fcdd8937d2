# SPDX-License-Identifier: GPL-2.0-only
"""Where everything in a run came from, so that it can be had again."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from images.jail.start import describe
from testbed import ROOT, __version__


def flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as ``kernel module sha256 -> text`` pairs, in order."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name} ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, str(value)


def repository_commit(root: Path = ROOT) -> str | None:
    """The commit of this tree, with ``-dirty`` if it was changed; None if it is no repository.

    One further up, that holds the environment we are installed in, is not ours.
    """
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always"]
    command += ["--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def host() -> dict[str, str]:
    """Our version, the host as far as it may matter to a result, and what it kept in."""
    return {
        "testbed version": __version__,
        "host kernel": platform.release(),
        "host python": platform.python_version(),
        "jail": describe(),
    }
