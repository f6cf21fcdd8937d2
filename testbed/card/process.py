# SPDX-License-Identifier: GPL-2.0-only
"""The emulated card: starts the devmodel process, talks to it, and knows when it failed.

The card gets descriptors and nothing else: two listening sockets (vfio-user, wire), its control
channel, and the files its trace and capture go to. This is the one module that imports devmodel.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from images.jail import host
from images.store import Store
from testbed.card.code import SOURCE, compiled
from testbed.card.control import ControlClient, ControlClosed, ControlError
from testbed.errors import (
    EnvironmentProblem,
    LostVM,
    ModelFailure,
    TestbedError,
    UsageProblem,
    full_disk,
)
from testbed.host import memory
from testbed.host.answer import Objects, require
from testbed.host.loop import BackgroundLoop
from testbed.host.pace import Pace
from testbed.host.private import PrivateFolder
from testbed.host.process import Process, spawn

SOURCE_ROOT = SOURCE.parent
PYTHON = Path(sys.executable).resolve()
"""Not a virtual environment's: the card needs none, and cannot read one that is private."""
TRACEBACK_LINES = 60
TRACE_CAP_BYTES = 8 << 30
WHOLE_FRAME = 65536
CPU_LIMIT_S = 6 * 3600
EXIT_CONFIG = 3  # devmodel.__main__: unusable configuration
EXIT_PROTOCOL = 5  # the same: the vfio-user connection broke
EXIT_MEMORY = 6  # the same: memory that the guest shared is gone
REFUSED_OPTION = "devmodel: option "
STORE_OPTION = "store_fd: "
REQUEST_TIMEOUT_S = 10.0
START_TIMEOUT_S = 90.0
"""Until a new card answers: it may compile itself first. One that dies says so at once."""
QUIT_PATIENCE_S = 5.0
HANG_PATIENCE_S = 3.0
UML_DEVICES = {
    "card": "vhost_user_fd",
    "peer": "vhost_peer_fd",
    "disk": "vhost_disk_fd",
    "agent": "vhost_agent_fd",
}
"""Name of a UML guest's socket -> key of the card's configuration."""
UML_LAYER = "layer{}"
"""Name of the socket of a further disk, from 0 on."""


@dataclass(frozen=True, kw_only=True)
class CardConfig:
    """What the card is requested to be; ``options`` are its own (identity, sizes).

    ``uml_image``: the card's process serves a User Mode Linux guest, and is its disk with that
    image, its remote endpoint's NIC and its agent's port as well, and a further disk for each image
    of ``uml_layers``; ``agent_turns`` as in ``devmodel.config``. ``source`` is a host on the wire
    that sends TCP streams (devmodel.net.source); ``interrupts_fd`` is shared memory that counts the
    card's interrupts. ``peer_by_vhost``: the wire of a QEMU guest is its peer's vhost-user socket.
    ``store`` is a file for what the card keeps without power.
    ``snap_bytes``: what is captured of each frame, None for no capture at all.
    ``activity``: the trace ends with what the card did last (devmodel.activity).
    ``core``: of this host, the only one that it runs on.
    """

    seed: int
    timing: str
    guest_memory_bytes: int
    uml_image: Path | None = None
    uml_layers: Sequence[Path] = ()
    agent_turns: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    source: Mapping[str, object] | None = None
    interrupts_fd: int | None = None
    peer_by_vhost: bool = False
    store: Path | None = None
    snap_bytes: int | None = WHOLE_FRAME
    activity: bool = False
    core: int | None = None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _numbers(fds: Iterable[int | list[int]]) -> list[int]:
    return [number for one in fds for number in (one if isinstance(one, list) else [one])]


def require_readable() -> None:
    """Whether another user may read the card's code. Raises EnvironmentProblem if not."""
    for path in (SOURCE_ROOT, SOURCE, SOURCE / "__init__.py"):
        if not path.stat().st_mode & stat.S_IROTH:
            raise EnvironmentProblem(
                f"{path} is private, and the card runs as a user of its own",
                remedy=f"chmod -R go+rX {SOURCE_ROOT}",
            )


class EmulatedCard:
    """A devmodel process. The coroutines run in the machine's loop, the rest anywhere.

    A subclass may have other sockets and files, and more to configure.

    ``vfio_user_path`` and ``wire_path`` are the sockets QEMU connects to; UML connects to those
    of :data:`UML_DEVICES` in the private folder. ``agent`` is our end of a UML guest's port.
    """

    _cpu_limit_s = CPU_LIMIT_S
    _more: Mapping[str, object] = MappingProxyType({})

    def __init__(
        self, config: CardConfig, *, loop: BackgroundLoop, private: PrivateFolder, run_dir: Path,
        uid: int | None, qemu_uid: int | None, pace: Pace,
    ) -> None:  # fmt: skip
        self.vfio_user_path = private.path / "vfio-user.sock"
        self.wire_path = private.path / "wire.sock"
        self.trace_path = run_dir / "trace.jsonl"
        self.pcap_path = run_dir / "wire.pcapng"
        self.log_path = run_dir / "card.log"
        self.process: Process | None = None
        self.agent: socket.socket | None = None
        self._config = config
        self._loop = loop
        self._private = private
        self._uid = uid
        self._qemu_uid = qemu_uid
        self._pace = pace
        self._control = ControlClient(self._nonsense)
        self._quitting = False
        self._was_killed = False
        self._store_bytes = 0

    def _listen(self, theirs: ExitStack, path: Path) -> int:
        listener = theirs.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(path))
        path.chmod(0o600)
        if self._qemu_uid is not None:
            os.chown(path, self._qemu_uid, self._qemu_uid)
        listener.listen(1)
        return listener.fileno()

    @staticmethod
    def _open(theirs: ExitStack, path: Path) -> int:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        theirs.callback(os.close, fd)
        return fd

    @staticmethod
    def _create(theirs: ExitStack, path: Path) -> int:
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        theirs.callback(os.close, fd)
        return fd

    @staticmethod
    def _hand_over(theirs: ExitStack, config: Mapping[str, object]) -> int:
        """The configuration as a descriptor to read it from."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        theirs.callback(os.close, reader)
        with os.fdopen(writer, "wb") as file:
            file.write(json.dumps(config).encode())
        return reader

    def _guest_side(self, theirs: ExitStack) -> dict[str, int | list[int]]:
        if self._config.uml_image is None:
            wire_key = UML_DEVICES["peer"] if self._config.peer_by_vhost else "wire_fd"
            return {
                "vfio_user_fd": self._listen(theirs, self.vfio_user_path),
                wire_key: self._listen(theirs, self.wire_path),
            }
        self.agent, other = socket.socketpair()
        theirs.enter_context(other)
        image = self._open(theirs, self._config.uml_image)
        layers = [self._open(theirs, path) for path in self._config.uml_layers]
        listeners = [
            self._listen(theirs, self._private.path / UML_LAYER.format(number))
            for number in range(len(layers))
        ]
        sockets = {
            key: self._listen(theirs, self._private.path / name)
            for name, key in UML_DEVICES.items()
        }
        return {
            **sockets, "agent_fd": other.fileno(), "image_fd": image,
            "vhost_layer_fds": listeners, "layer_fds": layers,
        }  # fmt: skip

    async def _control_side(self, theirs: ExitStack) -> int:
        ours, other = socket.socketpair()
        await self._control.connect(ours)  # which closes it, whatever comes
        return theirs.enter_context(other).fileno()

    def _files(self, theirs: ExitStack) -> dict[str, int]:
        files = {"trace_fd": self._create(theirs, self.trace_path)}
        if self._config.snap_bytes is not None:
            files["pcap_fd"] = self._create(theirs, self.pcap_path)
        if self._config.store is not None:
            files["store_fd"] = self._open_store(theirs, self._config.store)
        return files

    @staticmethod
    def _open_store(theirs: ExitStack, path: Path) -> int:
        """The file, for this card alone. Raises UsageProblem."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            theirs.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise UsageProblem(f"--nvm {path}: another card uses it") from e
        except OSError as e:
            raise UsageProblem(f"--nvm {path}: {e.strerror}") from e
        return fd

    async def launch(self) -> None:
        """Start the card and wait until it answers.

        Raises ModelFailure, LaunchFailure, EnvironmentProblem.
        """
        root = compiled(Store())
        if root is None:
            root = SOURCE_ROOT
            if self._uid is not None:
                require_readable()
        # With vhost-user, memory is mapped once for the card and once for the peer's NIC.
        mapped_bytes = self._config.guest_memory_bytes * (1 + self._config.peer_by_vhost)
        with ExitStack() as theirs:
            fds: dict[str, int | list[int]] = {
                **self._guest_side(theirs),
                "control_fd": await self._control_side(theirs),
                **self._files(theirs),
            }
            if self._config.interrupts_fd is not None:
                fds["interrupts_fd"] = self._config.interrupts_fd
            config = {
                **fds, "seed": self._config.seed, "timing": self._config.timing,
                "agent_turns": self._config.agent_turns, "confine": True,
                "snap_bytes": self._config.snap_bytes or WHOLE_FRAME,
                "activity": self._config.activity, "options": dict(self._config.options),
                "source": self._config.source and dict(self._config.source), **self._more,
            }  # fmt: skip
            config_fd = self._hand_over(theirs, config)
            self.process = await spawn(
                "card",
                [str(PYTHON), "-S", "-B", "-m", "devmodel", "--config-fd", str(config_fd)],
                private=self._private, log_path=self.log_path, uid=self._uid,
                read=[*host.python(), root / SOURCE.name],
                filter="card", names=[root],  # Python looks for a package among them
                limits={
                    "AS": mapped_bytes + (4 << 30), "FSIZE": TRACE_CAP_BYTES,
                    "CPU": self._cpu_limit_s,
                },
                fds=[*_numbers(fds.values()), config_fd], core=self._config.core,
                env={
                    "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}",
                    "PYTHONPATH": str(root), "PYTHONHASHSEED": "0",
                },
            )  # fmt: skip
        await self.request("state", timeout_s=START_TIMEOUT_S)
        if self._config.store is not None:
            self._store_bytes = self._config.store.stat().st_size

    @property
    def failure(self) -> TestbedError | None:
        """How the card failed, or None while it lives or if it ended as requested.

        A ModelFailure, but for a disk that could not hold its trace and capture, a host without
        memory, options that no card has, which a test can ask for, and memory that is gone.
        """
        if self.process is None or self.process.returncode in (None, 0):
            return None
        if problem := self.process.killed_for_memory():
            return problem
        if self.process.returncode == EXIT_MEMORY:
            return self._lost_memory(self.process)
        text = self.process.log.tail(TRACEBACK_LINES)
        if self.process.returncode == EXIT_CONFIG and text.startswith(REFUSED_OPTION):
            refused = text.removeprefix(REFUSED_OPTION)
            if refused.startswith(STORE_OPTION):
                refused = refused.removeprefix(STORE_OPTION)
                return UsageProblem(f"--nvm {self._config.store}: {refused}")
            return UsageProblem(f"card_options: {refused}")
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            if f"[Errno {number}]" in text:
                return full_disk(self.trace_path, OSError(number, os.strerror(number)))
        if self._was_killed:
            return ModelFailure(
                "the card hangs: it did not quit when asked and was killed",
                traceback=text,
                log_path=self.log_path,
            )
        raised = "Traceback (most recent call last)" in text
        what = "the card raised an exception" if raised else "the card died"
        return ModelFailure(
            f"{what}: {self.process.describe_end()}", traceback=text, log_path=self.log_path
        )

    def _lost_memory(self, process: Process) -> TestbedError:
        """A file system that is full and is not the guest's own, or a file that was truncated: the
        card's NVM by somebody here, the memory by the guest."""
        if (store := self._config.store) is not None and _size(store) < self._store_bytes:
            return EnvironmentProblem(
                f"--nvm {store}: the file became shorter while the card used it",
                remedy="leave it alone until the run is over", log_path=self.log_path,
            )  # fmt: skip
        if self._config.uml_image is not None and memory.is_shared(process.jail.lacks):
            return EnvironmentProblem(
                f"{memory.SHARED} of this host ran out of space for the guest's memory",
                remedy=memory.SHARED_REMEDY, log_path=self.log_path,
            )  # fmt: skip
        return LostVM(
            "the guest's side took back memory that it shared with the card", log_path=self.log_path
        )

    @property
    def lost_its_peer(self) -> bool:
        """The card ended because its vfio-user connection broke: it or QEMU may be at fault."""
        return self.process is not None and self.process.returncode == EXIT_PROTOCOL

    def cause_of_loss(self) -> TestbedError | None:
        """Asked after the machine was lost: the card's failure, or None if it is well."""
        if self.process is None or self.lost_its_peer:
            return None
        if self.process.returncode is not None:
            return self.failure
        try:
            self._loop.run(self.request("state", timeout_s=HANG_PATIENCE_S))
        except TestbedError as failure:
            return None if self.process.returncode == 0 else failure
        return None

    async def request(
        self, method: str, params: Mapping[str, object] | None = None, *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Any:  # fmt: skip
        """One control request. Raises ModelFailure if the card refuses, hangs or is gone."""
        limit_s = timeout_s * self._pace.patience
        try:
            return await self._control.request(method, params, timeout_s=limit_s)
        except ControlError as err:
            raise ModelFailure(f"the card refused {method}: {err}", log_path=self.log_path) from err
        except (ControlClosed, TimeoutError) as err:
            assert self.process is not None
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.process.ended), 1.0)
            raise self.failure or ModelFailure(
                f"the card does not answer ({method}): {err}", log_path=self.log_path
            ) from err

    async def wait_failed(self) -> TestbedError:
        """Return once the card has failed; never returns for a card that ended as requested."""
        assert self.process is not None
        await asyncio.shield(self.process.ended)
        failure = self.failure
        if failure is None or self._quitting:
            await asyncio.get_running_loop().create_future()
        assert failure is not None
        return failure

    def _nonsense(self, wrong: str) -> ModelFailure:
        return ModelFailure(f"the card answered nonsense: {wrong}", log_path=self.log_path)

    def _ask(self, method: str, params: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The result of a request, an object. Raises ModelFailure, also for what it lacks."""
        result = self._loop.run(self.request(method, params))
        return cast("dict[str, Any]", require(result, dict, self._nonsense, f"{method} gives"))

    def state(self) -> dict[str, Any]:
        """The card's own account: resources, counters, violations. Raises ModelFailure."""
        return self._ask("state")

    def inject(self, frame: bytes) -> None:
        """Let ``frame`` (Ethernet, no FCS) arrive at the card's port. Raises ModelFailure."""
        self._loop.run(self.request("inject", {"frame": frame.hex()}))

    def set_link(self, up: bool) -> None:
        """Plug or unplug the cable. Raises ModelFailure."""
        self._loop.run(self.request("link", {"up": up}))

    def set_capture(self, on: bool) -> None:
        """Go on or leave off writing the capture of the wire, if there is one to be.

        Raises ModelFailure.
        """
        if self._config.snap_bytes is None:
            return
        self._loop.run(self.request("capture", {"on": on}))

    def faults_arm(self, plan: Mapping[str, object]) -> int:
        """Arm a fault plan that has been checked; returns its handle. Raises ModelFailure."""
        handle = self._ask("faults_arm", {"plan": plan})["handle"]
        return int(require(handle, int, self._nonsense, "handle is"))

    def faults_disarm(self, handle: int) -> list[dict[str, Any]]:
        """Disarm a plan; returns the counts of its faults. Raises ModelFailure."""
        counts = self._ask("faults_disarm", {"handle": handle})["faults"]
        return list(require(counts, Objects, self._nonsense, "faults is"))

    def faults_status(self) -> dict[str, Any]:
        """Every fault armed so far with its counts, and the last injections. ModelFailure."""
        return self._ask("faults_status")

    def remembered(self, address: int, size: int) -> list[str]:
        """What the DMA oracle knows of these bytes of the guest's memory, a line for each step of
        their life, oldest first. Raises ModelFailure.
        """
        lines = self._ask("remembered", {"address": address, "bytes": size})["lines"]
        return [str(one) for one in require(lines, list, self._nonsense, "lines is")]

    def renew(self, seed: int, options: Mapping[str, object]) -> None:
        """A new card for the next UML guest, with no account of the last. Raises ModelFailure.

        ``options`` as in CardConfig: they may be others than those of the last.
        """
        self._loop.run(self.request("renew", {"seed": seed, "options": dict(options)}))

    def unplug(self) -> None:
        """Pull the card out of a running UML guest. Raises ModelFailure."""
        self._loop.run(self.request("unplug"))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the card reported unasked, oldest first."""
        return list(self._control.events)

    async def stop(self) -> None:
        """Ask the card to quit, then make it; never fails."""
        self._quitting = True
        if self.process is not None:
            soft_s = 0.0
            if self.process.returncode is None:
                soft_s = QUIT_PATIENCE_S
                with suppress(ControlError, ControlClosed, TimeoutError):
                    await self._control.request("quit", timeout_s=2.0)
            await self.process.stop(soft_s)
            self._was_killed = soft_s > 0 and self.process.returncode == -signal.SIGKILL
        await self._control.close()
        if self.agent is not None:
            self.agent.close()
