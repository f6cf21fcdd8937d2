# SPDX-License-Identifier: GPL-2.0-only
"""Device memory TCP: a console at either end that does one step at a time (devmem_console.c)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from testbed.dut.counters import NetdevState, netdev_state
from testbed.dut.defer import Defer
from testbed.dut.mismatch import Differences, describe
from testbed.dut.nic import ZcrxQueue, add_rule, ethtool, wait_until_free
from testbed.dut.programs import ask_console, program, result_of
from testbed.dut.protocols import Capability, Dut, Endpoint, Running
from testbed.dut.streams import local_address
from testbed.errors import GuestCommandFailed

PAGE_BYTES = 4096
BUFFER = "memory"
BUFFER_BYTES = 4 << 20  # twice what bnxt_en posts with nic.RX_RING
MANY_FRAGMENTS_BYTES = 64 * 40  # room for the control messages of 64 fragments
WAIT_MS = 20_000
SEED = 1
T = TypeVar("T")

Answer = Mapping[str, Any]


class StepFailed(GuestCommandFailed):
    """A step that had to succeed was answered with an error."""


class Console:
    """One ``devmem_console`` at one end; its names of buffers, bindings and sockets are free."""

    def __init__(self, end: Endpoint, name: str) -> None:
        self._end = end
        self._path = f"/tmp/{name}.socket"
        end.run(["rm", "-f", self._path])
        self._running = end.start([program("devmem_console"), self._path])
        self._expected: dict[str, tuple[int, int] | None] = {}

    @property
    def pid(self) -> int:
        """The process that holds bindings and sockets."""
        return self._running.pid

    def ask(self, *steps: str) -> list[Answer]:
        """Do these steps and return their answers. Raises GuestCommandFailed if it has died."""
        return [*ask_console(self._end, "devmem_console", self._path, self._running, steps)]

    def attempt(self, step: str) -> Answer:
        """Do one step that may fail; then the answer has an ``error``."""
        (answer,) = self.ask(step)
        return answer

    def do(self, step: str) -> Answer:
        """Do one step. Raises StepFailed; GuestCommandFailed if data is not what was expected."""
        answer = self.attempt(step)
        if "error" in answer:
            raise StepFailed(f"{step}: {answer['error']} {answer.get('extack', '')}".rstrip())
        found, expected = Differences.of(answer), self._expected.get(step.split()[1])
        if found and expected:
            seed, sent_bytes = expected
            where = describe(found, seed, 0, [sent_bytes])
            raise GuestCommandFailed(f"{step}: data differs: {where}")
        return answer

    def accept(self, name: str, address: str, port: int, connect: Callable[[], T]) -> T:
        """Take the connection that ``connect`` makes to ``port`` as ``name``; what it returned."""
        listener = f"{name}-listener"
        self.do(f"listen {listener} {address} {port}")
        made = connect()
        self.ask(f"accept {name} {listener} {WAIT_MS}", f"close {listener}")
        self._expected[name] = None
        return made

    def expect(self, name: str, seed: int, sent_bytes: int) -> None:
        """So many bytes, the one flow of ``seed``, are sent to socket ``name``.

        They are compared as they come, unless more is sent there than one flow.
        """
        if name not in self._expected:
            return
        first = self._expected[name] is None
        self._expected[name] = (seed, sent_bytes)
        self.do(f"expect {name} {seed if first else 'none'}")

    def kill(self) -> None:
        """End it by SIGKILL, whatever it holds."""
        self._running.kill()


@dataclass
class DevmemSetup:
    """A queue set aside, a console at either end, and how they are usually put together."""

    dut: Dut
    remote: Endpoint
    defer: Defer
    where: ZcrxQueue
    console: Console
    sender: Console

    def bind(
        self,
        *,
        buffer: str = BUFFER,
        buffer_bytes: int = BUFFER_BYTES,
        binding: str = "binding",
        queues: Sequence[int] | None = None,
        scattered: bool = False,
    ) -> int:
        """Make a dmabuf, bind it to the queue (or ``queues``) and return the binding's id."""
        self.console.do(f"udmabuf {buffer} {buffer_bytes}{' scattered' if scattered else ''}")
        return self.rebind(buffer=buffer, binding=binding, queues=queues)

    def rebind(
        self, *, buffer: str = BUFFER, binding: str = "binding", queues: Sequence[int] | None = None
    ) -> int:
        """Bind a dmabuf that there is."""
        return int(self.console.do(self.bind_step(buffer, binding, queues))["id"])

    def bind_step(
        self, buffer: str = BUFFER, binding: str = "binding", queues: Sequence[int] | None = None
    ) -> str:
        """The words that bind."""
        numbers = " ".join(map(str, queues if queues is not None else [self.where.queue]))
        return f"bind-rx {binding} {self.dut.netdev} {buffer} {numbers}"

    @property
    def address(self) -> str:
        """Where the queue's port is reached."""
        return local_address(self.dut, self.where.ip_version)

    def connect(self, name: str = "flow") -> None:
        """A connection from remote to the queue's port, called ``name`` at both ends."""
        address, port = self.address, self.where.port
        step = f"connect {name} {address} {port}"
        self.console.accept(name, address, port, lambda: self.sender.do(step))

    def bind_and_connect(self) -> int:
        """:meth:`bind` and :meth:`connect` as they are usually put together; the binding's id."""
        number = self.bind()
        self.connect()
        return number

    def unbind(self) -> None:
        """End the binding and wait until the kernel has let go of it."""
        self.console.do("unbind binding")
        wait_until_free(self.dut)

    def start_sending(self, count: int, *, pace: int = 0, name: str = "flow") -> Running:
        """A connection whose sender goes on by itself; ``pace`` in bytes per second."""
        address, port = self.address, self.where.port
        words = [program("stream_tx"), address, str(port), "--bytes", str(count)]
        words += ["--seed", str(SEED), *(["--pace", str(pace)] if pace else [])]

        def start() -> Running:
            sender = self.remote.start(words)
            self.defer(sender.kill)
            return sender

        sender = self.console.accept(name, address, port, start)
        self.console.expect(name, SEED, count)
        return sender

    def send(self, count: int, *, seed: int = SEED, name: str = "flow") -> str:
        """Send seeded bytes, no more than the receiver's window takes; returns their SHA-256."""
        self.console.expect(name, seed, count)
        return str(self.sender.do(f"send {name} {count} {seed}")["sha256"])

    def drain(self, count: int, *, name: str = "flow", keep: bool = False) -> Answer:
        """Receive ``count`` bytes (0: to the end). ``keep`` the tokens or give them back."""
        word = "keep" if keep else "return"
        return self.console.do(f"drain {name} {count} {WAIT_MS} {word}")

    def receive(
        self,
        count: int,
        *flags: str,
        name: str = "flow",
        control_bytes: int = MANY_FRAGMENTS_BYTES,
        wait_ms: int = WAIT_MS,
    ) -> Answer:
        """One recvmsg(); ``flags`` are words of the console. May answer with an error."""
        return self.console.attempt(
            f"recv {name} {count} {control_bytes} {wait_ms} {' '.join(flags)}"
        )

    def fragments(self, count: int, *, name: str = "flow") -> list[Answer]:
        """Receive ``count`` bytes and keep their fragments. Raises StepFailed."""
        found: list[Answer] = []
        while count > 0:
            answer = self.receive(count, "devmem", name=name)
            if "error" in answer or not answer["bytes"]:
                raise StepFailed(f"{count} bytes of {name} did not come: {answer}")
            found += answer["fragments"]
            count -= answer["bytes"]
        return found

    def state(self) -> NetdevState:
        """What netlink says of queues and page pools now."""
        return netdev_state(self.dut)

    def bound_queues(self) -> dict[int, int]:
        """The id of the dmabuf of each rx queue that has one."""
        return {
            queue["id"]: queue["dmabuf"]
            for queue in self.state().queues
            if queue["type"] == "rx" and queue["dmabuf"]
        }

    def bound_pools(self) -> list[Mapping[str, Any]]:
        """Page pools with a dmabuf."""
        return [pool for pool in self.state().page_pools if pool["dmabuf"]]


def sent_by(sender: Running, timeout_s: float = 60.0) -> Answer:
    """The one flow a sender reports at its end: ``bytes``, ``sha256``. Raises as it does."""
    (flow,) = result_of(sender.wait(timeout_s))["flows"]
    assert isinstance(flow, dict)
    return flow


def pieces(fragments: Sequence[Answer], buffer: str = BUFFER) -> str:
    """Fragments as words for the console's step ``digest``."""
    return " ".join(f"{buffer}:{fragment['offset']}:{fragment['size']}" for fragment in fragments)


def on_queue(bench: DevmemSetup, queue: int) -> DevmemSetup:
    """The bench with another queue, to which another port is steered."""
    port = bench.where.port + 10 + queue
    if Capability.NTUPLE in bench.dut.capabilities:
        match = ("dst-port", str(port))
        add_rule(bench.dut, bench.defer, *match, flow_type="tcp4", action=queue)
    else:
        ethtool(bench.dut, "-X", bench.dut.netdev, "start", str(queue), "equal", "1")
    return replace(bench, where=replace(bench.where, queue=queue, port=port))
