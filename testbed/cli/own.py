# SPDX-License-Identifier: GPL-2.0-only
"""What ``exec`` and ``shell`` can give a guest for a program of the user's: docs/own-program.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from testbed.artifacts.copies import Copy
from testbed.cli.progress import progress
from testbed.dut import own_program
from testbed.engines.guest import GuestEndpoint
from testbed.engines.layers import NSENTER_OF_ROOT, ROOT_PLACE
from testbed.engines.session import Session
from testbed.engines.shell import Place

FOLDER, COPIES = "/", "/root"
"""Where a command of the guest starts: without files that were copied, and with them."""
_PANEL = "Own program"

Push = Annotated[
    list[str] | None,
    typer.Option(
        "--push", "--copy",
        metavar="FILE[:PATH]",
        help="Put this file at PATH of the guest, else in the folder that the command starts in "
        "(/root); a .c file is compiled first, statically, with liburing and libmnl. Can be "
        "repeated.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with", metavar="PACKAGES", rich_help_panel=_PANEL,
        help="Debian packages to add to the guest: strace,gdb,liburing-dev; NAME/SUITE for one of "
        "another suite. Can be repeated.",
    ),
]  # fmt: skip
Root = Annotated[
    str | None,
    typer.Option(
        "--root", metavar="FOLDER|TAR|oci:ARCHIVE", rich_help_panel=_PANEL,
        help="The root that the command runs in, copied at the start: a folder, a tar file, or "
        "what docker or podman saved of an image.",
    ),
]  # fmt: skip
Module = Annotated[
    list[str] | None,
    typer.Option(
        "--module", metavar="NAMES", rich_help_panel=_PANEL,
        help="QEMU: further modules of the kernel's package, for modprobe. Can be repeated.",
    ),
]  # fmt: skip
Zcrx = Annotated[
    bool,
    typer.Option(
        "--zcrx", rich_help_panel=_PANEL,
        help="Make a queue ready for zero-copy receive (header split, hds-thresh 0, flow rule) and "
        "tell the command of it: NETIF, ZCRX_QUEUE, ZCRX_PORT, LOCAL_V4, REMOTE_RUN, ...",
    ),
]  # fmt: skip
ZcrxPort = Annotated[
    int,
    typer.Option(
        "--zcrx-port", min=1, max=65535, rich_help_panel=_PANEL,
        help="TCP port that comes to that queue.",
    ),
]  # fmt: skip


def with_program(
    given: Mapping[str, Any], packages: Sequence[str] | None, root: str | None,
    modules: Sequence[str] | None,
) -> Mapping[str, Any]:  # fmt: skip
    """The options of the run with those of this module that are the machine's; None: not given."""
    return {
        **given, "packages": _names(packages), "modules": _names(modules), "root": root,
    }  # fmt: skip


def _names(words: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names with commas or blanks between them, each once."""
    names = ",".join(words or ()).replace(",", " ").split()
    return tuple(dict.fromkeys(names)) or None


@dataclass(frozen=True)
class OwnProgram:
    """What is done in a guest before the user's command; ``port`` None: no queue for zcrx."""

    copies: Sequence[Copy] = ()
    port: int | None = None

    def ready(self, session: Session, endpoint: GuestEndpoint) -> Place:
        """Do it; how the command is to run at ``endpoint``. Raises GuestCommandFailed, LostVM."""
        root = ROOT_PLACE if session.options.root is not None else ""
        place = Place(COPIES if self.copies else FOLDER, self._facts(session), root)
        for copy in self.copies:
            target = place.path(copy.target)
            endpoint.run(["/bin/mkdir", "-p", target.rpartition("/")[0] or "/"])
            endpoint.put(copy.data, target, mode=0o755)
        return place

    def _facts(self, session: Session) -> Mapping[str, str]:
        if self.port is None:
            return {}
        queue = own_program.ready_queue(session.dut, session.remote, self.port)
        facts = own_program.facts(
            session.dut, session.remote, queue, netns=session.remote.netns or "",
            nsenter="nsenter" if session.options.root is None else NSENTER_OF_ROOT,
        )  # fmt: skip
        progress(f"queue {queue.queue} of {session.dut.netdev} is ready for zero-copy receive:")
        for name, value in facts.items():
            progress(f"  {name}={value}")
        return facts
