# SPDX-License-Identifier: GPL-2.0-only
"""The jails that runs and builds really make: their specifications, taken as they are made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import images.buildroot
import testbed.host.process
from images.jail import start
from images.jail.spec import JailSpec
from testbed.artifacts.prepare import Artifacts
from testbed.artifacts.translated import translated
from testbed.engines.open import build_options, new_session, prepare_run
from testbed.errors import EnvironmentProblem
from testbed.options import Accel

JAILS = {"qemu": "QEMU", "uml": "UML", "card": "card", "share": "virtiofsd", "build": "build"}
"""Names of captured jails -> what they are called."""


class Enough(EnvironmentProblem):
    """The guest's jail is known; there is no need to start it."""


def captured() -> dict[str, JailSpec]:
    """Each of JAILS as it would be made now. Raises EnvironmentProblem if something lacks."""
    found: dict[str, JailSpec] = {}
    with _recorded(found):
        _start("uml", {})
        with tempfile.TemporaryDirectory(prefix="bnxt-containment-") as folder:
            _start("qemu", {"share": folder, "accel": Accel.TCG})
        with translated():
            Artifacts().build_root.run(["true"])
    return found


@contextmanager
def _recorded(found: dict[str, JailSpec]) -> Iterator[None]:
    def note(spec: JailSpec) -> None:
        name = "qemu" if spec.filter == "program" else spec.filter
        found[name] = spec
        if name in ("qemu", "uml"):
            raise Enough(f"{name} is not started")

    def command(spec: JailSpec, argv: Sequence[str], report: int = start.STDERR) -> list[str]:
        note(spec)
        return start.command(spec, argv, report)

    def enter_words(spec: JailSpec, argv: Sequence[str], report: int) -> list[str]:
        note(spec)
        return start.enter_words(spec, argv, report)

    with (
        mock.patch.object(testbed.host.process, "enter_words", enter_words),
        mock.patch.object(images.buildroot, "command", command),
    ):
        yield


def _start(engine: str, given: Mapping[str, object]) -> None:
    options, prepared = prepare_run(build_options({"engine": engine, **given}), _quiet)
    with tempfile.TemporaryDirectory(prefix="bnxt-containment-") as folder:
        try:
            with new_session(options, Path(folder), prepared):
                raise AssertionError(f"{engine} has been started")
        except Enough:
            pass


def _quiet(_text: str) -> None:
    """Say nothing."""
