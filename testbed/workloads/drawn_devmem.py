# SPDX-License-Identifier: GPL-2.0-only
"""What a client of device memory TCP can do, and what is done to its queue, in an order that is
drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from testbed.dut.devmem import BUFFER, BUFFER_BYTES
from testbed.dut.nic import wait_until_free
from testbed.workloads.drawn import Steps, take
from testbed.workloads.judge import require
from testbed.workloads.workload import WorkloadContext

STEPS = 12
_SOCKETS = 3
_BYTES = (1, 100, 3000, 20_000, 60_000)
_CONTROL_BYTES = (0, 40, 90, 2560)
"""Room for no fragment, one, two, all of a call: struct dmabuf_cmsg takes 40 bytes of it."""
_PIECES = (1, 700, 5000, 20_000)
"""Most of which end within a fragment, whose rest the next call has."""
_FLAGS = ((), ("peek",), ("trunc",))
_CALLS = 4
_WAIT_MS = 200


class _Client(Steps):
    """A console with a binding that comes and goes, and connections that outlive it.

    :ivar open: names of the connections.
    :ivar sent: how many there were so far, each with other data.
    """

    rx_rings = (16, 32, 64)

    def __init__(self, context: WorkloadContext) -> None:
        super().__init__(context)
        self.setup = context.devmem_setup
        self.bound, self.open, self.sent = False, list[str](), 0
        self.setup.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
        self.bind()

    def bind(self) -> None:
        """The dmabuf is bound; once more, or while there is no queue, it is an error."""
        answer = self.setup.console.attempt(self.setup.bind_step())
        wanted = self.is_up and not self.bound
        require(("error" not in answer) is wanted, f"bound {self.bound}, now: {answer}")
        self.bound = self.bound or wanted

    def unbind(self) -> None:
        """The binding goes, whatever is held of it."""
        if self.bound:
            self.setup.console.do("unbind binding")
            self.bound = False

    def connect(self) -> None:
        """One more connection, on which all that will come is sent at once; at most three."""
        self.up()
        if len(self.open) == _SOCKETS:
            self.close()
        name = f"flow{self.sent}"
        self.sent += 1
        self.setup.connect(name)
        self.open.append(name)
        self.setup.send(self.context.random.choice(_BYTES), seed=self.sent, name=name)

    def receive(self) -> None:
        """Calls with much or little room for what they tell; fragments are kept."""
        if not self.open:
            return
        draw = self.context.random.choice
        name, flags = draw(self.open), draw(_FLAGS)
        for _ in range(_CALLS):
            self.setup.receive(
                draw(_BYTES), "devmem", *flags, name=name, control_bytes=draw(_CONTROL_BYTES),
                wait_ms=_WAIT_MS,
            )  # fmt: skip

    def give_back(self) -> None:
        """What a connection has is given back."""
        if self.open:
            self.setup.console.do(f"return {self.context.random.choice(self.open)}")

    def close(self) -> None:
        """A connection is closed with whatever was not read or given back."""
        if self.open:
            self.open.remove(name := self.context.random.choice(self.open))
            self.setup.console.do(f"close {name}")
            self.setup.sender.do(f"close {name}")


_STEPS: Mapping[Callable[[_Client], None], int] = {
    _Client.bind: 2, _Client.unbind: 1, _Client.connect: 4, _Client.receive: 5,
    _Client.give_back: 3, _Client.close: 1, _Client.restart: 1, _Client.ask_netdev: 1,
    _Client.down: 2, _Client.up: 1, _Client.resize: 1,
}  # fmt: skip
"""How often one is drawn."""


def use(context: WorkloadContext) -> None:
    """Steps that are drawn, then a connection whose data is compared, and nothing is left."""
    client = _Client(context)
    done = take(client, _STEPS, STEPS)
    client.up()
    if not client.bound:
        client.bind()
    while client.open:
        client.close()
    setup = client.setup
    setup.connect("last")
    setup.send(_BYTES[-1], seed=client.sent + 1, name="last")
    left = _BYTES[-1]
    while left:
        piece = min(left, context.random.choice(_PIECES))
        got = setup.drain(piece, name="last")
        require(not got["linear"], f"the kernel copied {got['linear']} bytes")
        require(got["bytes"] == piece, f"of {piece} bytes came {got['bytes']}")
        left -= piece
    setup.console.do("close last")
    client.unbind()
    wait_until_free(context.dut)
    context.output.append(str(done))
