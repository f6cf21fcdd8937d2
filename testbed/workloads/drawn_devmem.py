# SPDX-License-Identifier: GPL-2.0-only
"""What a client of device memory TCP can do, and what is done to its queue, in an order that is
drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from testbed.dut.driver import await_carrier
from testbed.dut.nic import restart_queue, set_link, wait_until_free
from testbed.workloads import traffic
from testbed.workloads.judge import require
from testbed.workloads.workload import WorkloadContext

STEPS = 12
_SOCKETS = 3
_BYTES = (1, 100, 3000, 20_000, 60_000)
_CONTROL_BYTES = (0, 40, 90, 2560)
"""Room for no fragment, one, two, all of a call: struct dmabuf_cmsg takes 40 bytes of it."""
_FLAGS = ((), ("peek",), ("trunc",))
_CALLS = 4
_RX_RINGS = ("16", "32", "64")
_WAIT_MS = 200


class _Client:
    """A console with a binding that comes and goes, and connections that outlive it.

    :ivar open: names of the connections.
    :ivar sent: how many there were so far, each with other data.
    """

    def __init__(self, context: WorkloadContext) -> None:
        assert context.devmem is not None, "nothing has started the consoles"
        self.context, self.setup = context, context.devmem
        self.bound, self.is_up, self.open, self.sent = False, True, list[str](), 0
        self.setup.console.do("udmabuf memory 4194304")
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

    def restart(self) -> None:
        """Another queue restarts."""
        self.up()
        context = self.context
        done = restart_queue(context.dut, context.queue.queue - 1, 2, timeout_s=traffic.TIMEOUT_S)
        context.restarts += done.restarts

    def down(self) -> None:
        """The interface goes down, and what comes is done while it is."""
        set_link(self.context.dut, "down")
        self.is_up = False

    def up(self) -> None:
        """The interface goes up, if it is down."""
        if not self.is_up:
            set_link(self.context.dut, "up")
            await_carrier(self.context.dut, up=True)
            self.is_up = True

    def resize(self) -> None:
        """Other rings, which the driver opens anew."""
        dut, rings = self.context.dut, self.context.random.choice(_RX_RINGS)
        dut.run(["ethtool", "-G", dut.netdev, "rx", rings], check=False)


_STEPS: Mapping[Callable[[_Client], None], int] = {
    _Client.bind: 2, _Client.unbind: 1, _Client.connect: 4, _Client.receive: 5,
    _Client.give_back: 3, _Client.close: 1, _Client.restart: 1, _Client.down: 2,
    _Client.up: 1, _Client.resize: 1,
}  # fmt: skip
"""How often one is drawn."""


def use(context: WorkloadContext) -> None:
    """Steps that are drawn, then a connection whose data is compared, and nothing is left."""
    done = []
    client = _Client(context)
    for step in context.random.choices(tuple(_STEPS), tuple(_STEPS.values()), k=STEPS):
        step(client)
        done.append(step.__name__)
    client.up()
    if not client.bound:
        client.bind()
    while client.open:
        client.close()
    setup = client.setup
    setup.connect("last")
    setup.send(_BYTES[-1], seed=client.sent + 1, name="last")
    got = setup.drain(_BYTES[-1], name="last")
    require(not got["linear"], f"the kernel copied {got['linear']} bytes")
    setup.console.do("close last")
    client.unbind()
    wait_until_free(context.dut)
    context.output.append(", ".join(done))
