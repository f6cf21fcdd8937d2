# SPDX-License-Identifier: GPL-2.0-only
"""Puts card, transport, wire and control channel together, and runs the one loop.

Asynchronous timing: virtual time is the wall clock since the start. Synchronous timing: it advances
only by what the card does, and everything a guest access or a frame causes happens before the loop
goes on.
"""

from __future__ import annotations

import gc
import mmap
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from devmodel.budget import EntryEnded
from devmodel.cable_methods import CableMethods
from devmodel.cards import CardMaker
from devmodel.clock import Clock, Timing
from devmodel.config import Config, ConfigError
from devmodel.control import BadParams, ControlChannel
from devmodel.errors import ProtocolError
from devmodel.fault_methods import FaultMethods
from devmodel.net.cable import Cable
from devmodel.net.port import StreamWire
from devmodel.net.source import SourceConfig, TcpSource
from devmodel.net.tap import TapWire
from devmodel.news import News
from devmodel.oracle_methods import OracleMethods
from devmodel.output import OutputFiles
from devmodel.sources import Sources
from devmodel.trace import Trace
from devmodel.vfio_user.server import Server
from devmodel.vhost_user.machine import UmlMachine
from devmodel.vhost_user.peer import PeerPort

_MAX_INJECTED_BYTES = 65536
_SAVE_INTERVAL_S = 0.25
_MAX_LEAP_NS = 3600 * 10**9
"""The most the guest's time moves the card's at once: a hostile guest cannot keep it busy."""

_HARMLESS = frozenset({"state", "faults_status", "capture", "quit"})
"""What may be answered in the midst of anything: the card is not touched."""


class App:
    """One card and everything it is connected to.

    :param news: hears of what happens, for people to read, or None.
    """

    def __init__(self, config: Config, make_card: CardMaker, news: News | None = None) -> None:
        self._files = OutputFiles(config.trace_fd, config.pcap_fd, config.snap_bytes)
        self._interrupts: mmap.mmap | None = None
        if config.interrupts_fd is not None:
            self._interrupts = mmap.mmap(config.interrupts_fd, mmap.PAGESIZE)
        self._config = config
        self._make_card = make_card
        self._news = news
        self._cable = CableMethods(lambda: self.card, self._acted)
        self._guests_gone = 0
        self._synchronous = config.timing is Timing.SYNCHRONOUS
        self._start_trace()
        self._build_card(config.seed)
        self._started_ns, self._saved_s = time.monotonic_ns(), 0.0
        self._running = True
        self._server: Server | None = None
        self._sources = Sources()
        self._controls: dict[int, tuple[ControlChannel, bool]] = {}
        self._methods = {
            "state": self._state,
            **self._cable.methods,
            "inject": self._inject,
            "capture": self._set_capture,
            "unplug": self._unplug,
            "renew": self._renew,
            "quit": self._quit,
            **FaultMethods(lambda: self.card.faults, self._acted, self.save).methods,
            **OracleMethods(lambda: self.card).methods,
        }
        self._uml: UmlMachine | None = None
        self._peer: PeerPort | None = None
        if config.vhost_user_fd is not None:
            self._uml = self._make_uml()
            self._open_uml()
        elif config.vhost_peer_fd is not None:
            self._open_peer(config.vhost_peer_fd)
        self._open("vfio_user_fd", config.vfio_user_fd, self._vfio_user_connected)
        self._open("wire_fd", config.wire_fd, self._wire_connected)
        if config.tap_fd is not None:
            self._plug(TapWire(config.tap_fd))
        self._open("control_fd", config.control_fd, self._control_connected)

    def _start_trace(self) -> None:
        """The account of the card begins, and a cable is there."""
        self.trace = Trace(self._files.trace, keeps_activity=self._config.activity)
        self.trace.now = lambda: self.clock.now_ns
        self.cable = Cable(self.trace.now, self.trace.record if self._synchronous else None)
        self.cable.capture = self._files.capture
        self.trace.about_frame = None if self.cable.capture is None else self.cable.remark

    def _build_card(self, seed: int, now_ns: int = 0) -> None:
        """Clock and card as at power-on."""
        self.clock = Clock(seed, self._config.timing)
        self.clock.advance_to(now_ns)
        self.clock.budget.look_up = self._look_up
        self.cable.source = self._make_source()
        self.card = self._make_card(self.clock, self.trace, self.cable, self._config.card_options)
        if self._news is not None:
            self._news.of_card = self.card.news
            self.trace.listener = self._news.hear

    def _power_cycle(self) -> None:
        """A card as new for the next guest: what is not the guest's to say goes on as it was.

        That is the wire, the link as it was set, the account, and the fault plans that are armed:
        they are armed anew.
        """
        faults = self.card.faults
        self._build_card(self._config.seed, time.monotonic_ns() - self._started_ns)
        self._cable.restore()
        self.card.faults.take_over(faults)

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
        self.cable.bring_these(frames, self.card.arrived)

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
            layer_fds=[os.dup(fd) for fd in config.layer_fds],
            turns=config.agent_turns,
            virtual_functions=self.card.virtual_functions,
        )
        if uml.agent is not None:
            agent = uml.agent
            self._sources.watch_both(agent, lambda can_write: self._serve_agent(uml, can_write))
        return uml

    def _open_peer(self, fd: int) -> None:
        budget = self.clock.budget
        self._peer = PeerPort(self.cable, self._sources, self.trace, budget, self._receive_frames)
        self._open("vhost_peer_fd", fd, self._peer.connected)

    def _open_uml(self) -> None:
        config = self._config
        for name, fd in (
            ("card", config.vhost_user_fd),
            ("peer", config.vhost_peer_fd),
            ("disk", config.vhost_disk_fd),
            ("agent", config.vhost_agent_fd),
            *((f"layer{number}", fd) for number, fd in enumerate(config.vhost_layer_fds)),
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
        self._sources.watch(sock, lambda can_write: connected(sock.accept()[0], True))

    def _forget(self, fd: int) -> None:
        self._sources.forget(fd)
        self._controls.pop(fd, None)

    def _vfio_user_connected(self, sock: socket.socket, accepted: bool) -> None:
        if self._server is not None and self._config.stays and self._server.has_left:
            self._guest_left(self._server)
        if self._server is not None:
            sock.close()
            self.trace.emit("client_refused")
            return
        server = self._server = Server(self.card, sock, self._count_interrupt)
        self._sources.watch_all(server, lambda can_write: self._serve_guest(server, can_write))

    def _count_interrupt(self) -> None:
        if self._interrupts is not None:
            with memoryview(self._interrupts) as memory, memory.cast("Q") as words:
                words[0] += 1  # in one go: struct.pack_into() makes it 0 first

    def _vhost_user_connected(self, name: str, sock: socket.socket, accepted: bool) -> None:
        uml = self._uml
        if name == "card" and uml is not None:
            name = uml.next_function()
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

        self._sources.watch_both(backend, serve)
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
        self._plug(stream)

    def _plug(self, stream: StreamWire | TapWire) -> None:
        self.cable.plug(stream)
        self._sources.watch_all(stream, lambda can_write: self._serve_wire(stream, can_write))
        self.trace.emit("wire_connected")

    def _control_connected(self, sock: socket.socket, accepted: bool) -> None:
        channel = ControlChannel(sock, self._methods)
        fd = channel.fileno()
        self._controls[fd] = channel, accepted
        self._sources.watch_all(channel, lambda can_write: self._serve_control(fd, can_write))

    # -- the loop -----------------------------------------------------------------------------
    def run(self) -> None:
        """Serve until the guest's side closes, or quit.

        Raises ProtocolError when the vfio-user framing is lost; whatever else it raises is a bug
        of the card.
        """
        gc.freeze()  # code and card stay: a collection need not look at them
        try:
            while self._running:
                try:
                    self._turn()
                except EntryEnded:
                    self._answer_controls()
        finally:
            self._close()

    def _turn(self) -> None:
        can_read, can_write = self._sources.wait(self._timeout_s)
        self.clock.budget.begin()
        if not self._synchronous:
            self._advance()
        self._sources.handle(can_read, can_write)
        if self._peer is not None:
            self._peer.send_calls()
        self._sources.write_out()

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
            return
        problem = ""
        try:
            alive = server.serve()
        except ProtocolError as e:
            if not self._config.stays:
                raise
            alive, problem = False, str(e)
        if alive:
            return
        if self._config.stays:
            self._guest_left(server, problem)
        else:
            self._running = False

    @property
    def _guest_is_there(self) -> bool:
        return self._server is not None and self._server.greeted

    def _guest_left(self, server: Server, problem: str = "") -> None:
        """The guest's side has closed, or is made to: the card waits for the next one."""
        self._forget(server.fileno())
        server.close()
        self._server = None
        if server.greeted or problem:
            self._guests_gone += server.greeted
            self.trace.emit("guest_left", problem=problem)
            self._power_cycle()

    def _serve_wire(self, stream: StreamWire | TapWire, can_write: bool) -> None:
        if can_write:
            stream.flush()
        else:
            self._receive_frames()
        if stream.closed:
            self._forget(stream.fileno())
            self.cable.unplug()
            self.trace.emit("wire_closed")

    def _receive_frames(self) -> None:
        if self.cable.bring(self.card.arrived):
            (self.card.settle if self._synchronous else self.card.flush)()

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
        self._files.save()

    def _close(self) -> None:
        """Leave the guest's side gracefully and complete the files."""
        self.clock.budget.look_up = lambda is_whole: None
        for open_one in (self._server, self._uml, self._peer, self._interrupts):
            if open_one is not None:
                open_one.close()
        self.cable.unplug()
        self.trace.tell_activity()
        self._files.finish(self.clock.now_ns)

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a control method. Raises BadParams."""
        return self._methods[method](params or {})

    # -- control methods ----------------------------------------------------------------------
    def _state(self, params: dict[str, Any]) -> dict[str, Any]:
        """Everything countable, and what the card says of itself."""
        card = self.card.state()
        self.save()
        trace, dma = self.trace, self.card.dma
        return {
            "now_ns": self.clock.now_ns,
            "guests": self._guests_gone + self._guest_is_there,
            "guest_is_there": self._guest_is_there,
            "seed": self.clock.seed,
            "timing": self.clock.timing.value,
            "violations": {"counts": dict(trace.violation_counts), "kept": trace.violations},
            **trace.commands_not_carried_out(),
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
            raise BadParams("seed no integer, options no object, or the guest not User Mode Linux")
        for fd in self._uml.descriptors():
            self._forget(fd)
        self._uml.close()
        self._files.drop_trace()
        self._config = replace(self._config, options=options)
        self._start_trace()
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
        self._acted()
        return {}

    def _set_capture(self, params: dict[str, Any]) -> dict[str, Any]:
        on = params.get("on")
        if not isinstance(on, bool):
            raise BadParams("on is missing or no boolean")
        if self._files.capture is None:
            raise BadParams("there is no file to capture to")
        self.cable.capture = self._files.capture if on else None
        return {}

    def _quit(self, params: dict[str, Any]) -> dict[str, Any]:
        self._running = False
        return {}
