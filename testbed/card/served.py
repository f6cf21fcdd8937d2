# SPDX-License-Identifier: GPL-2.0-only
"""The card for a guest that somebody else runs: sockets at paths of the user's, one guest after the
other, and a line for each thing that happens.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from devmodel.by_hand import CPU_SECONDS, TAP
from devmodel.config import ConfigError
from devmodel.net.tap import open_tap
from devmodel.news import account
from devmodel.sockets import listen_at
from images.jail.user import draw_uid
from testbed.card.passt import Passt
from testbed.card.process import CardConfig, EmulatedCard
from testbed.errors import EnvironmentProblem, ModelFailure, TestbedError, UsageProblem
from testbed.host.loop import BackgroundLoop
from testbed.host.pace import Pace
from testbed.host.private import PrivateFolder

PASST = "passt"
MOST_MEMORY_BYTES = 1 << 40
"""Of a guest that we do not know: address space of the card."""
LINE_CAP_BYTES = 1 << 16


def default_folder() -> Path:
    """Where a card's sockets are if nothing is said: the user's runtime directory, or a folder
    of the user's in the temporary one.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime)
    return Path(tempfile.gettempdir(), f"testbed-card-{os.getuid()}")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a card is found. ``wire``: a path to listen at, or TAP and a name, or PASST."""

    socket: Path
    wire: str = ""
    trace: Path | None = None
    capture: Path | None = None

    @property
    def control(self) -> Path:
        """The socket for control requests."""
        return control_of(self.socket)

    @property
    def log(self) -> Path:
        """What the card's process prints: nothing, if all is well."""
        return self.socket.with_name(f"{self.socket.name}.log")

    @property
    def wire_path(self) -> Path | None:
        """Where the other end of the wire connects, if it is to."""
        if self.wire == PASST or self.wire.startswith(TAP):
            return None
        return Path(self.wire or f"{self.socket}.wire").absolute()


def control_of(vfio_user: Path) -> Path:
    """The control socket of the card that is served at ``vfio_user``."""
    return vfio_user.with_name(f"{vfio_user.name}.control")


class ServedCard(EmulatedCard):
    """A devmodel process at :class:`Places`; see :class:`EmulatedCard`.

    ``options``, ``plan``: as in CardConfig and devmodel.config. ``tell`` gets a line for each
    thing that happens, in the machine's loop; it is the card's and may hold anything.

    :ivar had_guest: of the last :meth:`account`: whether a guest's side ever connected.
    """

    _cpu_limit_s = CPU_SECONDS

    def __init__(
        self, places: Places, *, seed: int, timing: str, options: Mapping[str, object],
        plan: Mapping[str, object] | None, tell: Callable[[str], None], loop: BackgroundLoop,
        private: PrivateFolder, uid: int | None,
    ) -> None:  # fmt: skip
        config = CardConfig(
            seed=seed, timing=timing, guest_memory_bytes=MOST_MEMORY_BYTES, options=options
        )
        super().__init__(
            config, loop=loop, private=private, run_dir=places.socket.parent, uid=uid,
            qemu_uid=None, pace=Pace(),
        )  # fmt: skip
        self.log_path = places.log
        self.vfio_user_path = places.socket
        self._more = {"stays": True, "cpu_seconds": CPU_SECONDS, "plan": plan}
        self._places = places
        self._tell = tell
        self._listening: list[Path] = []
        self.passt: Passt | None = None
        self.private = private
        self.had_guest = False
        self._news_fd: int | None = None
        self._reporter: asyncio.Task[None] | None = None

    def _listen_for_user(self, theirs: ExitStack, path: Path) -> int:
        try:
            listener = theirs.enter_context(listen_at(path))
        except ConfigError as wrong:
            raise UsageProblem(str(wrong)) from wrong
        self._listening.append(path)
        return listener.fileno()

    def _guest_side(self, theirs: ExitStack) -> dict[str, int | list[int]]:
        vfio_user = self._listen_for_user(theirs, self._places.socket)
        return {"vfio_user_fd": vfio_user, **self._wire(theirs)}

    def _wire(self, theirs: ExitStack) -> dict[str, int]:
        path = self._places.wire_path
        if path is not None:
            return {"wire_fd": self._listen_for_user(theirs, path)}
        if self._places.wire == PASST:
            self.passt = Passt()
            return {"wire_fd": theirs.enter_context(self.passt.start()).fileno()}
        try:
            tap = open_tap(self._places.wire.removeprefix(TAP))
        except ValueError as wrong:
            raise UsageProblem(f"--wire: {wrong}") from wrong
        except OSError as err:
            raise EnvironmentProblem(
                f"--wire {self._places.wire}: {err}",
                remedy="Root may make a tap; for another user: ip tuntap add NAME mode tap user "
                "USER (needs the module tun, and /dev/net/tun)",
            ) from err
        theirs.callback(os.close, tap)
        return {"tap_fd": tap}

    async def _control_side(self, theirs: ExitStack) -> int:
        listening = self._listen_for_user(theirs, self._places.control)
        ours = socket.socket(socket.AF_UNIX)
        ours.connect(str(self._places.control))
        await self._control.connect(ours)
        return listening

    def _files(self, theirs: ExitStack) -> dict[str, int]:
        self._news_fd, writer = os.pipe2(os.O_CLOEXEC)
        theirs.callback(os.close, writer)
        files = {"news_fd": writer}
        for key, path in (("trace_fd", self._places.trace), ("pcap_fd", self._places.capture)):
            if path is not None:
                files[key] = self._create_for_user(theirs, path)
        return files

    def _create_for_user(self, theirs: ExitStack, path: Path) -> int:
        try:
            return self._create(theirs, path)
        except OSError as err:
            raise UsageProblem(f"{path}: cannot be written: {err.strerror}") from err

    async def launch(self) -> None:
        """As of any card; from then on :attr:`tell` is called. Raises UsageProblem, too."""
        await super().launch()
        self._reporter = asyncio.create_task(self._report())

    async def _report(self) -> None:
        assert self._news_fd is not None
        reader = asyncio.StreamReader(limit=LINE_CAP_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        pipe = os.fdopen(self._news_fd, "rb", buffering=0)
        self._news_fd = None
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        try:
            while line := await reader.readline():
                self._tell(line.decode(errors="replace").rstrip("\n"))
        except ValueError:
            self._tell("[the card writes lines without end; no more is told]")
        finally:
            transport.close()

    def wait(self) -> NoReturn:
        """Until the card fails, or what cleans up after us is killed; raises what happened."""
        raise self._loop.run(self._ended())

    async def _ended(self) -> TestbedError:
        ways = [
            asyncio.create_task(self.wait_failed()),
            asyncio.create_task(self._private.reaper_lost()),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def account(self) -> tuple[list[str], bool]:
        """Lines about all guests so far, and whether there were violations. ModelFailure."""
        state = self.state()
        try:
            self.had_guest = bool(state["guests"])
            return account(state), bool(state["violations"]["counts"])
        except (KeyError, TypeError, AttributeError, ValueError) as wrong:
            raise ModelFailure(
                f"the card answered nonsense: {wrong!r}", log_path=self.log_path
            ) from wrong

    async def stop(self) -> None:
        """Also take the sockets away, and what was started for the wire; never fails."""
        await super().stop()
        if self._reporter is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._reporter, 1.0)
        if self._news_fd is not None:
            os.close(self._news_fd)
        if self.passt is not None:
            self.passt.stop()
        for path in self._listening:
            path.unlink(missing_ok=True)


@contextmanager
def serving(
    places: Places, *, seed: int, timing: str, options: Mapping[str, object],
    plan: Mapping[str, object] | None, tell: Callable[[str], None],
) -> Iterator[ServedCard]:  # fmt: skip
    """A card at ``places``, in its jail, which is put away at the end, whatever that is.

    ``tell`` is called in another thread. Raises UsageProblem, EnvironmentProblem, ModelFailure.
    """
    with ExitStack() as stack:
        loop = BackgroundLoop()
        stack.callback(loop.close)
        private = PrivateFolder()
        stack.callback(private.close)
        card = ServedCard(
            places, seed=seed, timing=timing, options=options, plan=plan, tell=tell, loop=loop,
            private=private, uid=draw_uid(),
        )  # fmt: skip
        stack.callback(lambda: loop.run(card.stop()))
        loop.run(card.launch())
        yield card
