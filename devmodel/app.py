# SPDX-License-Identifier: GPL-2.0-only
"""Puts card, transport, wire and control channel together, and runs the one loop.

Asynchronous timing: virtual time is the wall clock since the start. Synchronous timing: it advances
only by what the card does, and everything a guest access or a frame causes happens before the loop
goes on.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO, Protocol, TextIO

from devmodel.budget import EntryEnded
from devmodel.cards import CardMaker
from devmodel.clock import Clock, Timing
from devmodel.config import Config, ConfigError
from devmodel.control import BadParams, ControlChannel
from devmodel.fault_methods import FaultMethods
from devmodel.net.cable import Cable
from devmodel.net.pcapng import PcapngWriter
from devmodel.net.port import StreamWire
from devmodel.net.source import SourceConfig, TcpSource
from devmodel.trace import Trace
from devmodel.vfio_user.server import Server
from devmodel.vhost_user.machine import UmlMachine

_MAX_INJECTED_BYTES = 65536
_SAVE_INTERVAL_S = 0.25
_COUNT = struct.Struct("<Q")
_MAX_LEAP_NS = 3600 * 10**9
"""The most the guest's time moves the card's at once: a hostile guest cannot keep it busy."""


_HARMLESS = frozenset({"state", "faults_status", "capture", "quit"})
"""What may be answered in the midst of anything: the card is not touched."""


Handler = Callable[[bool], None]
"""Called with True when its source can be written, with False when it can be read."""


class EventSource(Protocol):
    """Something to wait for."""

    def fileno(self) -> int:
        """Descriptor to wait on."""
        ...


class WritableSource(EventSource, Protocol):
    """A source that sometimes also waits until it can write."""

    @property
    def wants_write(self) -> bool:
        """Something is left to write."""
        ...


class BufferedSource(EventSource, Protocol):
    """A source that may hold what has arrived already."""

    @property
    def has_input(self) -> bool:
        """Its handler is to be called, whether its descriptor can be read or not."""
        ...


class App:
    """One card and everything it is connected to."""

    def __init__(self, config: Config, make_card: CardMaker) -> None:
        self._trace_file: TextIO | None = None
        self._pcap_file: BinaryIO | None = None
        self._capture: PcapngWriter | None = None
        if config.trace_fd is not None:
            self._trace_file = os.fdopen(config.trace_fd, "w", buffering=1 << 16)
        if config.pcap_fd is not None:
            self._pcap_file = os.fdopen(config.pcap_fd, "wb", buffering=1 << 16)
            self._capture = PcapngWriter(self._pcap_file, snaplen_bytes=config.snap_bytes)
        self._interrupts: mmap.mmap | None = None
        if config.interrupts_fd is not None:
            self._interrupts = mmap.mmap(config.interrupts_fd, mmap.PAGESIZE)
        self._config = config
        self._make_card = make_card
        self._build_card(config.seed)
        self._synchronous = config.timing is Timing.SYNCHRONOUS
        self._started_ns = time.monotonic_ns()
        self._saved_s = 0.0
        self._running = True
        self._server: Server | None = None
        self._handlers: dict[int, Handler] = {}
        self._readers: list[int] = []
        self._writers: dict[int, WritableSource] = {}
        self._buffered: dict[int, BufferedSource] = {}
        self._controls: dict[int, tuple[ControlChannel, bool]] = {}
        self._methods = {
            "state": self._state,
            "link": self._link,
            "inject": self._inject,
            "capture": self._set_capture,
            "unplug": self._unplug,
            "renew": self._renew,
            "quit": self._quit,
            **FaultMethods(lambda: self.card.faults, self._acted, self.save).methods,
        }
        self._uml = None
        if config.vhost_user_fd is not None:
            self._uml = self._make_uml()
            self._open_uml()
        self._open("vfio_user_fd", config.vfio_user_fd, self._vfio_user_connected)
        self._open("wire_fd", config.wire_fd, self._wire_connected)
        self._open("control_fd", config.control_fd, self._control_connected)

    def _build_card(self, seed: int) -> None:
        """Clock, trace, cable and card as at power-on."""
        self.trace = Trace(self._trace_file)
        self.clock = Clock(seed, self._config.timing)
        self.clock.budget.look_up = self._look_up
        self.trace.now = lambda: self.clock.now_ns
        self.cable = Cable(self.trace.now, self.trace.record)
        self.cable.capture = self._capture
        self.cable.source = self._make_source()
        self.card = self._make_card(self.clock, self.trace, self.cable, self._config.options or {})

    def _make_source(self) -> TcpSource | None:
        if self._config.source is None:
            return None
        try:
            config = SourceConfig.parse(self._config.source)
        except ValueError as e:
            raise ConfigError(f"source: {e}") from e
        return TcpSource(config, self._answer, self.cable.counters)

    def _answer(self, frames: Sequence[bytes]) -> None:
        """The source's answer to what is being transmitted: received once that is done."""
        self.clock.call_later(0, partial(self._receive_answer, frames))

    def _receive_answer(self, frames: Sequence[bytes]) -> None:
        self.cable.arrive(frames)
        self.card.receive(frames)

    def _make_uml(self) -> UmlMachine:
        config = self._config
        uml = UmlMachine(
            self.card,
            self.cable,
            settle=self.card.settle if self._synchronous else self.card.flush,
            frames_arrived=self._receive_frames,
            tell_time=self._follow_guest,
            image_fd=None if config.image_fd is None else os.dup(config.image_fd),
            agent_fd=None if config.agent_fd is None else os.dup(config.agent_fd),
            turns=config.agent_turns,
        )
        if uml.agent is not None:
            self._watch_both(uml.agent, lambda can_write: self._serve_agent(uml, can_write))
        return uml

    def _open_uml(self) -> None:
        config = self._config
        for name, fd in (
            ("card", config.vhost_user_fd),
            ("peer", config.vhost_peer_fd),
            ("disk", config.vhost_disk_fd),
            ("agent", config.vhost_agent_fd),
        ):
            self._open(f"vhost {name}", fd, partial(self._vhost_user_connected, name))

    # -- connections --------------------------------------------------------------------------
    def _open(
        self, key: str, fd: int | None, connected: Callable[[socket.socket, bool], None]
    ) -> None:
        """A listening socket waits for its clients; a connected one is the client."""
        if fd is None:
            return
        try:
            sock = socket.socket(fileno=fd)
            listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as e:
            raise ConfigError(f"{key}: descriptor {fd} is no socket: {e.strerror}") from e
        if not listening:
            connected(sock, False)
            return
        self._watch(sock, lambda can_write: connected(sock.accept()[0], True))

    def _watch(self, source: EventSource, handler: Handler) -> None:
        self._handlers[source.fileno()] = handler
        self._readers = list(self._handlers)

    def _watch_both(self, source: WritableSource, handler: Handler) -> None:
        self._writers[source.fileno()] = source
        self._watch(source, handler)

    def _forget(self, fd: int) -> None:
        self._handlers.pop(fd, None)
        self._writers.pop(fd, None)
        self._buffered.pop(fd, None)
        self._controls.pop(fd, None)
        self._readers = list(self._handlers)

    def _vfio_user_connected(self, sock: socket.socket, accepted: bool) -> None:
        if self._server is not None:
            sock.close()
            return
        server = self._server = Server(self.card, sock, self._count_interrupt)
        self._buffered[server.fileno()] = server
        self._watch_both(server, lambda can_write: self._serve_guest(server, can_write))

    def _count_interrupt(self) -> None:
        if self._interrupts is not None:
            (count,) = _COUNT.unpack_from(self._interrupts)
            _COUNT.pack_into(self._interrupts, 0, count + 1)

    def _vhost_user_connected(self, name: str, sock: socket.socket, accepted: bool) -> None:
        uml = self._uml
        backend = None if uml is None else uml.connect(name, sock)
        if uml is None or backend is None:
            return
        fd = backend.fileno()

        def serve(can_write: bool) -> None:
            if can_write:
                backend.flush()
            elif not backend.serve():
                self._forget(fd)
                uml.disconnect(name)
                self._running = self._running and (name != "card" or accepted)

        self._watch_both(backend, serve)
        self.trace.emit("vhost_user_connected", device=name)

    def _serve_agent(self, uml: UmlMachine, can_write: bool) -> None:
        assert uml.agent is not None
        if can_write:
            uml.agent.flush()
        elif not uml.agent.serve():
            self._forget(uml.agent.fileno())

    def _wire_connected(self, sock: socket.socket, accepted: bool) -> None:
        if self.cable.stream is not None:
            sock.close()
            return
        stream = StreamWire(sock)
        # One write for all the doorbells of a turn of the loop: each write wakes QEMU.
        stream.corked = not self._synchronous
        self.cable.plug(stream)
        self._buffered[stream.fileno()] = stream
        self._watch_both(stream, lambda can_write: self._serve_wire(stream, can_write))
        self.trace.emit("wire_connected")

    def _control_connected(self, sock: socket.socket, accepted: bool) -> None:
        channel = ControlChannel(sock, self._methods)
        fd = channel.fileno()
        self._controls[fd] = channel, accepted
        self._buffered[fd] = channel
        self._watch_both(channel, lambda can_write: self._serve_control(fd, can_write))

    # -- the loop -----------------------------------------------------------------------------
    def run(self) -> None:
        """Serve until the guest's side closes, or quit.

        Raises ProtocolError when the vfio-user framing is lost; whatever else it raises is a bug
        of the card.
        """
        try:
            while self._running:
                try:
                    self._turn()
                except EntryEnded:
                    self._answer_controls()
        finally:
            self._close()

    def _turn(self) -> None:
        # select() rather than epoll: its time-outs are in microseconds, as moderation is.
        writers = [fd for fd, source in self._writers.items() if source.wants_write]
        behind = [fd for fd, source in self._buffered.items() if source.has_input]
        timeout_s = 0.0 if behind else self._timeout_s()
        can_read, can_write, _ = select.select(self._readers, writers, (), timeout_s)
        self.clock.budget.begin()
        if not self._synchronous:
            self._advance()
        for fd in can_write:
            self._handlers[fd](True)
        for fd in dict.fromkeys((*can_read, *behind)):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(False)
        self._write_out()

    def _look_up(self, is_whole: bool) -> None:
        """In the midst of an entry: answer what may be answered. Raises EntryEnded."""
        fds = list(self._controls)
        can_read, _, _ = select.select(fds, (), (), 0) if fds else ((), (), ())
        for fd in dict.fromkeys((*can_read, *fds)):
            channel, _ = self._controls[fd]
            if fd in can_read or channel.has_input:
                channel.serve(self._is_allowed if is_whole else _HARMLESS.__contains__)
            if channel.wants_write:
                channel.flush()
            self._after_control(fd)
            if not self._running or (channel.next_method == "renew" and self._uml is not None):
                raise EntryEnded

    def _is_allowed(self, method: str) -> bool:
        return method != "renew" or self._uml is None

    def _answer_controls(self) -> None:
        """The entry has ended, because of a request that needs it."""
        if self._running:
            for fd, (channel, _) in list(self._controls.items()):
                channel.serve()
                self._after_control(fd)

    def _write_out(self) -> None:
        """What this turn queued goes out before the loop sleeps."""
        for fd, source in list(self._writers.items()):
            if source.wants_write:
                self._handlers[fd](True)

    def _timeout_s(self) -> float | None:
        """Time until the next timer, or until buffered records should reach their files."""
        now_s = time.monotonic()
        if now_s - self._saved_s >= _SAVE_INTERVAL_S:
            self.save()
            self._saved_s = now_s
        due_ns = None if self._synchronous else self.clock.next_due_ns()
        if due_ns is None:
            return _SAVE_INTERVAL_S
        left_ns = due_ns - (time.monotonic_ns() - self._started_ns)
        return min(max(left_ns / 1e9, 0.0), _SAVE_INTERVAL_S)

    def _advance(self) -> None:
        now_ns = time.monotonic_ns() - self._started_ns
        due_ns = self.clock.next_due_ns()
        self.clock.advance_to(now_ns)
        if due_ns is not None and due_ns <= now_ns:
            self.card.flush()

    def _follow_guest(self, now_ns: int) -> None:
        """Synchronous timing: what is due by the guest's time happens now."""
        if self._synchronous:
            self.clock.advance_to(min(now_ns, self.clock.now_ns + _MAX_LEAP_NS))
            self.card.flush()

    def _serve_guest(self, server: Server, can_write: bool) -> None:
        if can_write:
            server.flush()
        elif not server.serve():
            self._running = False

    def _serve_wire(self, stream: StreamWire, can_write: bool) -> None:
        if can_write:
            stream.flush()
        else:
            self._receive_frames()
        if stream.closed:
            self._forget(stream.fileno())
            self.cable.unplug()
            self.trace.emit("wire_closed")

    def _receive_frames(self) -> None:
        frames = self.cable.receive()
        if frames:
            self.card.receive(frames)
            if self._synchronous:
                self.card.settle()
            else:
                self.card.flush()

    def _serve_control(self, fd: int, can_write: bool) -> None:
        channel, _ = self._controls[fd]
        if can_write:
            channel.flush()
        else:
            channel.serve()
        self._after_control(fd)

    def _after_control(self, fd: int) -> None:
        channel, accepted = self._controls[fd]
        if channel.closed:
            self._forget(fd)
            self._running = self._running and accepted

    def save(self) -> None:
        """Bring what is buffered to its files."""
        for file in (self._trace_file, self._pcap_file):
            if file is not None:
                file.flush()

    def _close(self) -> None:
        """Leave the guest's side gracefully and complete the files."""
        self.clock.budget.look_up = lambda is_whole: None
        for open_one in (self._server, self._uml, self._interrupts):
            if open_one is not None:
                open_one.close()
        self.cable.unplug()
        if self._capture is not None:
            self._capture.finish(self.clock.now_ns)
        self.save()

    # -- control methods ----------------------------------------------------------------------
    def _state(self, params: dict[str, Any]) -> dict[str, Any]:
        """Everything countable, and what the card says of itself."""
        card = self.card.state()
        self.save()
        trace, dma = self.trace, self.card.dma
        return {
            "now_ns": self.clock.now_ns,
            "seed": self.clock.seed,
            "timing": self.clock.timing.value,
            "violations": {"counts": dict(trace.violation_counts), "kept": trace.violations},
            "unknown_commands": {str(k): n for k, n in trace.unknown_commands.items()},
            "counters": dict(trace.counters),
            "digest": trace.digest,
            "faults": self.card.faults.status(),
            "transport": self._transport_counters(),
            "wire": dict(self.cable.counters),
            "live_mappings": dma.live_mappings,
            "maps_total": dma.maps_total,
            "unmaps_total": dma.unmaps_total,
            "card": card,
        }

    def _transport_counters(self) -> dict[str, Any] | None:
        if self._uml is not None:
            return dict(self._uml.counters())
        return dict(self._server.counters) if self._server else None

    def _link(self, params: dict[str, Any]) -> dict[str, Any]:
        up = params.get("up")
        if not isinstance(up, bool):
            raise BadParams("up is missing or no boolean")
        self.card.set_link(up)
        self._acted()
        return {}

    def _acted(self) -> None:
        """The card did something unasked: the guest is to hear of it."""
        self.card.flush()
        if self._uml is not None:
            self._uml.send_calls()

    def _unplug(self, params: dict[str, Any]) -> dict[str, Any]:
        """Surprise removal: the card is gone when the guest next touches it."""
        if self._uml is None:
            raise BadParams("only User Mode Linux sees its card go")
        self._uml.pull("card")
        return {}

    def _renew(self, params: dict[str, Any]) -> dict[str, Any]:
        """A new card, with ``options`` another one, for the next User Mode Linux guest."""
        seed, options = params.get("seed"), params.get("options", self._config.options)
        if self._uml is None or type(seed) is not int or not isinstance(options, dict | None):
            raise BadParams(
                "seed is no integer, options no object, or the guest not User Mode Linux"
            )
        for fd in self._uml.descriptors():
            self._forget(fd)
        self._uml.close()
        if self._trace_file is not None:
            self._trace_file.flush()
            os.ftruncate(self._trace_file.fileno(), 0)
        self._config = replace(self._config, options=options)
        self._build_card(seed)
        self._uml = self._make_uml()
        return {}

    def _inject(self, params: dict[str, Any]) -> dict[str, Any]:
        try:
            frame = bytes.fromhex(params.get("frame", ""))
        except (TypeError, ValueError) as e:
            raise BadParams(f"frame: {e}") from e
        if not 14 <= len(frame) <= _MAX_INJECTED_BYTES:
            raise BadParams(f"frame of {len(frame)} bytes")
        self.cable.inject(frame)
        self._receive_frames()
        if self._uml is not None:
            self._uml.send_calls()
        return {}

    def _set_capture(self, params: dict[str, Any]) -> dict[str, Any]:
        on = params.get("on")
        if not isinstance(on, bool):
            raise BadParams("on is missing or no boolean")
        if self._capture is None:
            raise BadParams("there is no file to capture to")
        self.cable.capture = self._capture if on else None
        return {}

    def _quit(self, params: dict[str, Any]) -> dict[str, Any]:
        self._running = False
        return {}
