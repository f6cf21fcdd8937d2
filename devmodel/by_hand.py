# SPDX-License-Identifier: GPL-2.0-only
"""A card that somebody starts by hand, with sockets at paths, for guests that others start.

It stays until it is told to end, and serves one guest after the other.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devmodel import guides
from devmodel.app import App
from devmodel.config import Config, ConfigError
from devmodel.net.tap import open_tap
from devmodel.news import News, account
from devmodel.sockets import listen_at

TAP = "tap:"
CPU_SECONDS = 30 * 24 * 3600
EXIT_VIOLATIONS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that a person gives."""
    group = parser.add_argument_group("a card for any guest")
    group.add_argument("--socket", type=Path, help="where the guest's side (QEMU) connects")
    group.add_argument(
        "--wire", help=f"socket for a -netdev stream at the other end of the cable, or {TAP}NAME"
    )
    group.add_argument("--control", type=Path, help="socket for control requests")
    group.add_argument("--seed", type=int, default=1, help="of all random choices (default: 1)")
    group.add_argument("--personality", type=Path, help="TOML file of card options")
    group.add_argument("--plan", type=Path, help="fault plan that is armed from the start (TOML)")
    group.add_argument("--trace", type=Path, help="write all records to this file (JSON lines)")
    group.add_argument("--capture", type=Path, help="write all frames to this file (pcapng)")
    group.add_argument(
        "--strict", action="store_true", help=f"exit {EXIT_VIOLATIONS} if there were violations"
    )


def start(arguments: argparse.Namespace) -> tuple[Config, News]:
    """Open what the options name, and say how a guest is connected.

    Raises ConfigError, OSError.
    """
    wire: str = arguments.wire or ""
    wire_fd = tap_fd = None
    if wire.startswith(TAP):
        tap_fd = _tap(wire.removeprefix(TAP))
    elif wire:
        wire_fd = listen_at(Path(wire)).detach()
    control = arguments.control
    config = Config(
        vfio_user_fd=listen_at(arguments.socket).detach(),
        wire_fd=wire_fd,
        tap_fd=tap_fd,
        control_fd=None if control is None else listen_at(control).detach(),
        trace_fd=None if arguments.trace is None else _create(arguments.trace),
        pcap_fd=None if arguments.capture is None else _create(arguments.capture),
        stays=True,
        seed=arguments.seed,
        cpu_seconds=CPU_SECONDS,
        options=None if arguments.personality is None else _read(arguments.personality),
        plan=None if arguments.plan is None else _read(arguments.plan),
    )
    socket = arguments.socket.absolute()
    print(guides.for_qemu(socket, Path(wire).absolute() if wire_fd is not None else None))
    _tell("waiting for a guest; Ctrl-C ends the card")
    return config, News(_tell)


def conclude(arguments: argparse.Namespace) -> Callable[[App], int]:
    """What is said at the end, and the exit code."""

    def tell(app: App) -> int:
        state = app.request("state")
        for line in account(state):
            print(line)
        is_bad = arguments.strict and state["violations"]["counts"]
        return EXIT_VIOLATIONS if is_bad else 0

    return tell


def _tap(name: str) -> int:
    try:
        return open_tap(name)
    except (OSError, ValueError) as e:
        raise ConfigError(f"--wire {TAP}{name}: {e}") from e


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as e:
        raise ConfigError(f"{path}: not TOML: {e}") from e


def _tell(line: str) -> None:
    try:
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
    except OSError:  # whoever read it has gone; the card has not
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
