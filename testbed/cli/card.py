# SPDX-License-Identifier: GPL-2.0-only
"""``testbed card``: the card for a guest that somebody else runs (docs/any-vm.md)."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from testbed.artifacts.prepare import Artifacts
from testbed.card.guides import guest_command, guides, qemu_wrapper
from testbed.card.plans import check_plan, load_plan
from testbed.card.remote import armed_plans, ask, fault_lines, status_lines
from testbed.card.served import PASST, Places, ServedCard, default_folder, serving
from testbed.cli.options import run_options
from testbed.cli.progress import progress
from testbed.engines.open import build_options
from testbed.errors import EnvironmentProblem, ExitCode, UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.host import interrupt
from testbed.host.terminal import escape

card = typer.Typer(
    help="The card for any VM: QEMU, libvirt or virtme-ng that you run.",
    invoke_without_command=True,
)
faults = typer.Typer(help="Fault plans of the running card.", no_args_is_help=True)
card.add_typer(faults, name="faults")

SOCKET_NAME = "card.sock"
_SOCKET_HELP = f"The card's socket. (default: {SOCKET_NAME} in the user's runtime directory)"

Socket = Annotated[
    Path | None, typer.Option("--socket", help=_SOCKET_HELP, show_default=False)
]  # fmt: skip
Wire = Annotated[
    str,
    typer.Option(
        "--wire",
        metavar="PATH|tap:NAME|passt",
        help="The cable's other end: a socket for QEMU's -netdev stream, a tap of the host, or "
        f"{PASST}. (default: the card's socket with .wire behind it)",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="All of it as JSON.")]


def socket_of(given: Path | None) -> Path:
    """The path of the card's socket; its folder is there if none was given."""
    if given is not None:
        return given.absolute()
    folder = default_folder()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as err:
        raise EnvironmentProblem(f"cannot make {folder}: {err.strerror}") from err
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or not stat.S_ISDIR(found.st_mode):
        raise EnvironmentProblem(
            f"{folder} is not a folder of yours alone", remedy="name a socket with --socket"
        )
    return folder / SOCKET_NAME


def plan_of(name: str) -> dict[str, Any]:
    """A plan from a TOML file, or that of a fault of the catalogue. Raises UsageProblem."""
    if Path(name).exists():
        return load_plan(Path(name))
    entry = load_catalogue().get(name)
    if entry is None:
        raise UsageProblem(
            f"{name}: neither a file nor a fault of the catalogue",
            remedy="testbed faults list shows the catalogue",
        )
    return check_plan(entry.document(), name)


def tell(line: str) -> None:
    """One line of what happens; what is in it may be the guest's."""
    print(f"{time.strftime('%H:%M:%S')} {escape(line)}", flush=True)


@card.callback()
@run_options("seed", "timing", "oracle", "jail", "personality")
def serve(
    context: typer.Context,
    given: Mapping[str, Any],
    socket: Socket = None,
    wire: Wire = "",
    plan: Annotated[
        str | None,
        typer.Option("--plan", help="Armed from the start: a fault plan, or a catalogue's name."),
    ] = None,
    capture: Annotated[
        Path | None, typer.Option("--capture", help="Write every frame to this pcapng file.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", help="Write every record to this JSONL file.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 if the card recorded a violation.")
    ] = False,
) -> None:
    """The card for any VM: QEMU, libvirt or virtme-ng that you run. Ctrl-C ends it.

    Prints the lines that connect a guest, then one for each thing that happens. Guests may reboot
    and reconnect: each finds the card as after power-on.
    """
    if context.invoked_subcommand is not None:
        if socket is not None:
            raise UsageProblem(
                "--socket of another command", remedy=f"put it behind {context.invoked_subcommand}"
            )
        return
    options = build_options(given).with_seed()
    places = Places(socket=socket_of(socket), wire=wire, trace=trace, capture=capture)
    chosen = {"oracle": options.oracle.value, **options.card_options}
    assert options.seed is not None
    with serving(
        places, seed=options.seed, timing=options.timing.value, options=chosen,
        plan=None if plan is None else plan_of(plan), tell=tell,
    ) as running:  # fmt: skip
        print(guides(places), flush=True)
        code = _until_interrupted(
            running, f"seed {options.seed}; waiting for a guest; Ctrl-C ends the card",
            strict=strict,
        )  # fmt: skip
    raise typer.Exit(code)


def _until_interrupted(running: ServedCard, first: str, *, strict: bool) -> int:
    """Say ``first``, and wait. A signal is the usual end, from the moment ``first`` can be read:
    whoever reads it may send one before ``print`` has returned. Returns the exit code.
    """
    try:
        tell(first)
        running.wait()
    except interrupt.Interrupted:
        interrupt.too_late()
    lines, is_bad = running.account()
    for line in lines:
        print(escape(line))
    return ExitCode.TEST_FAILURE if strict and is_bad else ExitCode.PASS


@card.command()
def status(socket: Socket = None, as_json: AsJson = False) -> None:
    """What has happened to the running card so far."""
    state = ask(socket_of(socket), "state")
    if as_json:
        print(json.dumps(state, indent=2))
        return
    for line in status_lines(state):
        print(escape(line))


@card.command()
def partner(
    settings: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="speed=25G fec=base-r ...")
    ],
    socket: Socket = None,
) -> None:
    """Set the port at the other end of the running card's cable (docs/port.md)."""
    chosen: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageProblem(f"{setting}: no KEY=VALUE", remedy="for example speed=25G")
        chosen[key] = value.split(",") if key == "advertise" else value
    ask(socket_of(socket), "partner", chosen)


@card.command()
def wrapper(socket: Socket = None, wire: Wire = "") -> None:
    """Print a shell script that is a QEMU with the card, for vng --qemu."""
    places = Places(socket=socket_of(socket), wire=wire)
    print(qemu_wrapper(Artifacts(report=progress).qemu, places.socket, places.wire_path), end="")


@card.command()
def guest(
    socket: Socket = None,
    wire: Wire = "",
    kernel: Annotated[str | None, typer.Option("--kernel", help="As of testbed run.")] = None,
) -> None:
    """Print the command that boots the testbed's own guest with the card, to try it."""
    artifacts = Artifacts(report=progress)
    prepared, accel = artifacts.prepare(kernel), artifacts.probe_accelerator("auto").accelerator
    places = Places(socket=socket_of(socket), wire=wire)
    image = prepared.kernel
    print(
        guest_command(prepared.qemu, accel, image.vmlinuz, image.initramfs, prepared.disks, places)
    )


@faults.command("arm")
def arm(
    plan: Annotated[str, typer.Argument(help="A fault plan (TOML), or a fault of the catalogue.")],
    socket: Socket = None,
) -> None:
    """Arm a plan in the running card; it stays armed, also for the next guests, until cleared."""
    answer = ask(socket_of(socket), "faults_arm", {"plan": plan_of(plan)})
    print(f"armed: plan {escape(str(answer.get('handle')))}")


@faults.command("list")
def list_faults(socket: Socket = None, as_json: AsJson = False) -> None:
    """Show the plans that are armed, and those that were."""
    status = ask(socket_of(socket), "faults_status")
    if as_json:
        print(json.dumps(status, indent=2))
        return
    for line in fault_lines(status):
        print(escape(line))


@faults.command("clear")
def clear(
    plan: Annotated[
        int | None, typer.Argument(help="Number of the plan, as arm printed it. (default: all)")
    ] = None,
    socket: Socket = None,
) -> None:
    """Clear a plan of the running card, or all."""
    where = socket_of(socket)
    handles = [plan] if plan is not None else armed_plans(ask(where, "faults_status"))
    for handle in handles:
        counts = ask(where, "faults_disarm", {"handle": handle})
        for line in fault_lines(counts):
            print(escape(line))
