# SPDX-License-Identifier: GPL-2.0-only
"""``testbed vng``: virtme-ng with the card: one's own kernel, on this host's root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from kernels.configs import ConfigProblem, read_config
from kernels.own import BZIMAGE
from testbed.artifacts.prepare import Artifacts, is_path
from testbed.card.guides import qemu_wrapper
from testbed.card.served import Places, ServedCard, serving
from testbed.card.vng import (
    DRIVER,
    PEER_DRIVER,
    guest_script,
    lacking,
    modules_in_order,
    starter,
    vng_arguments,
)
from testbed.cli.card import plan_of
from testbed.cli.options import Strict, run_options
from testbed.cli.progress import progress
from testbed.engines.open import build_options
from testbed.errors import EnvironmentProblem, ExitCode, UsageProblem
from testbed.options import RunOptions
from testbed.schema import read_text

ADMIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KVM = "kvm"


@run_options("kernel", "accel", "cpus", "memory_mib", "oracle", "seed", "jail", "personality")
def vng(
    command: Annotated[
        list[str], typer.Argument(help="What the guest runs, after --; one word: a command line.")
    ],
    given: Mapping[str, Any],
    tree: Annotated[
        Path | None, typer.Option("--tree", help="Your kernel tree, built; not with --kernel.")
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option("--plan", help="Armed from the start: a fault plan, or a catalogue's name."),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", help="Write every record to this JSONL file.")
    ] = None,
    capture: Annotated[
        Path | None, typer.Option("--capture", help="Write every frame to this pcapng file.")
    ] = None,
    strict: Strict = False,
) -> None:
    """Boot a kernel on this host's own root by virtme-ng, with the card; run a command there.

    The driver is loaded; $CARD is its interface, $PEER the other end of the wire. The exit status
    is the command's. The guest sees the files of this host, read-only: no kernel you do not trust.
    """
    options = build_options(given).with_seed()
    _require_host()
    artifacts = Artifacts(report=progress)
    kernel, modules = _kernel(artifacts, options, tree)
    kvm = artifacts.probe_accelerator(options.accel.value).accelerator == KVM
    with tempfile.TemporaryDirectory(prefix="testbed-vng-") as name:
        folder = Path(name)
        places = Places(socket=folder / "card.sock", trace=trace, capture=capture)
        qemu, virtiofsd = artifacts.qemu, artifacts.tools.command("virtiofsd")
        wrapper = _write(folder / "qemu", qemu_wrapper(qemu, places.socket, places.wire_path))
        _write(folder / "virtiofsd", starter(virtiofsd))
        arguments = vng_arguments(
            _program(), kernel, wrapper, guest_script(command, modules),
            memory_mib=options.memory_mib, cpus=options.cpus, kvm=kvm,
        )  # fmt: skip
        assert options.seed is not None
        chosen = {"oracle": options.oracle.value, **options.card_options}
        with serving(
            places, seed=options.seed, timing=options.timing.value, options=chosen,
            plan=None if plan is None else plan_of(plan), tell=_tell,
        ) as card:  # fmt: skip
            status = _run(card, arguments, folder)
            code = _verdict(card, status, strict=strict)
    raise typer.Exit(code)


def _kernel(
    artifacts: Artifacts, options: RunOptions, tree: Path | None
) -> tuple[Path, list[Path] | None]:
    """What boots, and the modules to load; None where modprobe finds them in the guest."""
    if tree is not None and options.kernel is not None:
        raise UsageProblem("--tree and --kernel name two kernels", remedy="give one of them")
    own = tree or (Path(options.kernel) if options.kernel and is_path(options.kernel) else None)
    if own is not None:
        return _own(own), None
    image = artifacts.prepare(options.kernel).kernel
    return image.vmlinuz, modules_in_order(image.modules, image.release, [PEER_DRIVER, DRIVER])


def _own(path: Path) -> Path:
    """The image of the user's kernel. Raises UsageProblem for one that cannot work."""
    image = path / BZIMAGE if path.is_dir() else path
    if not image.is_file():
        raise UsageProblem(
            f"{image}: not there", remedy="build it first: make bzImage modules, or vng --build"
        )
    config = image.parents[len(BZIMAGE.parts) - 1] / ".config"
    if config.is_file():
        try:
            absent = lacking(read_config(read_text(config)))
        except ConfigProblem as problem:
            raise UsageProblem(str(problem)) from problem
        if absent:
            items = " ".join(f"--configitem {line}" for line in absent)
            raise UsageProblem(
                f"{config}: virtme-ng and the card need {', '.join(absent)}",
                remedy=f"in the tree: vng --kconfig {items}, then build it",
            )
    return image.absolute()


def _require_host() -> None:
    """The guest runs the programs of this host. Raises EnvironmentProblem."""
    lacking = {
        program: package
        for program, package in (("insmod", "kmod"), ("udevadm", "udev"))
        if shutil.which(program, path=ADMIN_PATH) is None
    }
    if lacking:
        raise EnvironmentProblem(
            f"virtme-ng's guest runs on this host's root, which has no {' and no '.join(lacking)}",
            remedy=f"apt install {' '.join(lacking.values())}",
        )


def _program() -> Path:
    beside = Path(sys.executable).with_name("vng")
    found = beside if beside.exists() else shutil.which("vng")
    if found is None:
        raise EnvironmentProblem("there is no vng", remedy="pip install virtme-ng")
    return Path(found)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o700)
    return path


def _run(card: ServedCard, arguments: Sequence[str], folder: Path) -> int:
    """Run virtme-ng to its end. Returns its status; whatever ends us ends it and its guest."""
    environ = {**os.environ, "PATH": f"{folder}:{os.environ.get('PATH', '')}:{ADMIN_PATH}"}
    with subprocess.Popen(
        arguments, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            card.private.watch_group(process.pid)
            return process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            card.private.group_gone(process.pid)


def _tell(line: str) -> None:
    progress(f"card: {line}")


def _verdict(card: ServedCard, status: int, *, strict: bool) -> int:
    lines, is_bad = card.account()
    for line in lines:
        _tell(line)
    if not card.had_guest:
        raise EnvironmentProblem(
            f"virtme-ng ended with {status} before its QEMU had the card; why is above"
        )
    if status == 0 and strict and is_bad:
        return ExitCode.TEST_FAILURE
    return status if status >= 0 else 128 - status
