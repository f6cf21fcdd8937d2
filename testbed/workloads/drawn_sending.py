# SPDX-License-Identifier: GPL-2.0-only
"""What a client that sends out of a dmabuf can do, and what is done to the interface meanwhile, in
an order that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from testbed.dut.devmem import WAIT_MS, Answer
from testbed.dut.nic import ethtool, ethtool_json
from testbed.dut.udp_segments import FEATURE
from testbed.workloads import zcrx
from testbed.workloads.drawn import Steps, keep_features, take
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext

STEPS = 14
PORT = 5606
_BUFFER, _BUFFER_BYTES = "out", 256 << 10
_SOCKETS = _BINDINGS = 3
_BYTES = (1, 100, 3000, 9000, 20_000)
_PIECES = (1, 1, 2, 4)
_MOST_UNREAD, _MOST_WHILE_DOWN = 40_000, 1000
"""More might not go into a socket, and the console would wait for ever."""
_NOBODYS = 4_000_000


@dataclass
class _Flow:
    """A connection.

    :ivar here: it ends at the device under test, so that nothing of it leaves through the NIC.
    :ivar parts: what was sent so far, as OFFSET:BYTES.
    :ivar unread: bytes of that which nobody has waited for.
    :ivar sends: calls that nobody has waited for.
    """

    name: str
    here: bool
    parts: list[str] = field(default_factory=list)
    unread: int = 0
    sends: int = 0


class _Client(Steps):
    """A console with bindings that come and go, and connections that outlive them.

    :ivar bindings: name -> id, of those there are; ``gone`` of those there were.
    """

    rx_rings = (16, 32, 64)
    tx_rings = (64, 128, 511)

    def __init__(self, context: WorkloadContext) -> None:
        super().__init__(context)
        self.setup = context.devmem_setup
        self.bindings, self.gone = dict[str, int](), [_NOBODYS]
        self.flows, self.made = list[_Flow](), 0
        console = self.setup.console
        console.do(f"udmabuf {_BUFFER} {_BUFFER_BYTES} scattered")
        console.do(f"random {_BUFFER} {context.seed} 0 {_BUFFER_BYTES}")
        self.bind()

    def bind(self) -> None:
        """The dmabuf is bound to transmit, once more if it is; at most three times."""
        if len(self.bindings) == _BINDINGS:
            self.unbind()
        self.made += 1
        name = f"sending{self.made}"
        answer = self.setup.console.attempt(f"bind-tx {name} {self.setup.dut.netdev} {_BUFFER}")
        require("error" not in answer or not self.is_up, f"not bound: {answer}")
        if "error" not in answer:
            self.bindings[name] = int(answer["id"])

    def unbind(self) -> None:
        """A binding goes, whatever is under way of it."""
        if self.bindings:
            name = self.context.random.choice(list(self.bindings))
            self.setup.console.do(f"unbind {name}")
            self.gone.append(self.bindings.pop(name))

    def connect(self) -> None:
        """One more connection to the remote endpoint; at most three of all."""
        self.up()
        self._connect(here=False)

    def connect_here(self) -> None:
        """One more connection to an address of the device under test itself."""
        self.up()
        self._connect(here=True)

    def send(self) -> None:
        """Pieces of the dmabuf, by a binding that there is, on a connection that may be new."""
        if not self.flows:
            self.connect()
        if self.bindings:
            draw = self.context.random.choice
            self._send(draw(self.flows), draw(list(self.bindings.values())), draw(_PIECES))

    def send_gone(self) -> None:
        """By a binding that there was, or by none."""
        if self.flows:
            draw = self.context.random.choice
            answer = self._attempt(draw(self.flows), draw(self.gone), ["0:100"])
            require("error" in answer, f"sent by a binding that has gone: {answer}")

    def send_beyond(self) -> None:
        """What lies behind the end of the dmabuf."""
        if self.flows and self.bindings:
            draw = self.context.random.choice
            numbers = list(self.bindings.values())
            answer = self._attempt(draw(self.flows), draw(numbers), [f"{_BUFFER_BYTES}:100"])
            require("error" in answer, f"sent from behind the end: {answer}")

    def read(self) -> None:
        """All that a connection was given comes, and its completions do."""
        flows = [flow for flow in self.flows if flow.sends]
        if flows:
            self.up()
            self._read(self.context.random.choice(flows))

    def close(self) -> None:
        """A connection is closed with whatever is under way."""
        if self.flows:
            self.flows.remove(flow := self.context.random.choice(self.flows))
            self.setup.console.do(f"close {flow.name}")
            (self.setup.console if flow.here else self.setup.sender).do(f"close {flow.name}-end")

    def _connect(self, *, here: bool) -> _Flow:
        if len(self.flows) == _SOCKETS:
            self.close()
        self.made += 1
        flow = _Flow(f"flow{self.made}", here)
        setup, dut = self.setup, self.context.dut
        end, address = (setup.console, dut.ipv4) if here else (setup.sender, setup.remote.ipv4)
        step = f"connect {flow.name} {address} {PORT}"
        end.accept(f"{flow.name}-end", address, PORT, lambda: setup.console.do(step))
        setup.console.do(f"zerocopy {flow.name}")
        self.flows.append(flow)
        return flow

    def _send(self, flow: _Flow, binding: int, count: int) -> None:
        random = self.context.random
        if flow.unread > _MOST_UNREAD:
            self.up()
            self._read(flow)
        most = _BYTES[-1] if self.is_up else _MOST_WHILE_DOWN // count
        lengths = [min(random.choice(_BYTES), most) for _ in range(count)]
        offsets = [random.randrange(_BUFFER_BYTES - length) for length in lengths]
        parts = list(zip(offsets, lengths, strict=True))
        answer = self._attempt(flow, binding, [f"{at}:{length}" for at, length in parts])
        if "error" in answer:
            require(flow.here or not self.is_up, f"{flow.name}: not sent: {answer}")
            return
        require(not flow.here, f"{flow.name}: sent out of a dmabuf through another device")
        left = int(answer["bytes"])
        for at, length in parts:
            if took := min(length, left):
                flow.parts.append(f"{_BUFFER}:{at}:{took}")
                flow.unread += took
                left -= took
        flow.sends += 1

    def _attempt(self, flow: _Flow, binding: int, pieces: list[str]) -> Answer:
        words = " ".join(pieces)
        return self.setup.console.attempt(f"send-dmabuf {flow.name} {binding} zerocopy {words}")

    def _read(self, flow: _Flow) -> None:
        console = self.setup.console
        wanted = console.do(f"digest {' '.join(flow.parts)}")["sha256"]
        came = self.setup.sender.do(f"drain {flow.name}-end {flow.unread} {WAIT_MS} keep")["sha256"]
        require(came == wanted, f"{DATA_DIFFERS}: {flow.parts} sent, {came} read")
        done = console.do(f"completions {flow.name} {flow.sends} {WAIT_MS}")
        require(not done["copied"], f"{flow.name}: completions say {done}")
        flow.unread = flow.sends = 0


_STEPS: Mapping[Callable[[_Client], None], int] = {
    _Client.bind: 2, _Client.unbind: 2, _Client.connect: 4, _Client.connect_here: 1,
    _Client.send: 7, _Client.send_gone: 1, _Client.send_beyond: 1, _Client.read: 3,
    _Client.close: 1, _Client.restart: 1, _Client.ask_netdev: 1, _Client.down: 2,
    _Client.up: 1, _Client.resize: 1, _Client.resize_tx: 1,
}  # fmt: skip
"""How often one is drawn."""


def prepare(context: WorkloadContext) -> None:
    """The dmabuf, and what is set back at the end."""
    dut = context.dut
    keep_features(context, {FEATURE: FEATURE})
    context.defer(ethtool, dut, "-G", dut.netdev, "tx", str(ethtool_json(dut, "-g")["tx"]))
    zcrx.prepare_devmem(context)


def use(context: WorkloadContext) -> None:
    """Steps that are drawn, then a connection whose data is compared, and nothing is left."""
    client = _Client(context)
    done = take(client, _STEPS, STEPS)
    client.up()
    while client.flows:
        client.close()
    if not client.bindings:
        client.bind()
    client.connect()
    client.send()
    client.read()
    client.close()
    while client.bindings:
        client.unbind()
    context.output.append(str(done))
