# SPDX-License-Identifier: GPL-2.0-only
"""Sending out of a dmabuf: the card reads it, the kernel never does."""

from __future__ import annotations

import pytest

from testbed.dut.counters import tcp_counters
from testbed.dut.devmem import BUFFER, BUFFER_BYTES, PAGE_BYTES, WAIT_MS, DevmemSetup
from testbed.dut.driver import await_carrier, reload_driver
from testbed.dut.nic import ethtool, set_feature, set_link
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Capability
from testbed.errors import GuestTimeout

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.DEVMEM_TX, Capability.HEADER_SPLIT)

PORT = 5820
COUNT = 50_000
LARGE = 2_000_000
UNKNOWN = 4_000_000


def bind_tx(bench: DevmemSetup, *, scattered: bool = False) -> int:
    """A dmabuf bound to transmit; returns the binding's id."""
    bench.console.do(f"udmabuf out {BUFFER_BYTES}{' scattered' if scattered else ''}")
    return int(bench.console.do(f"bind-tx sending {bench.dut.netdev} out")["id"])


def connect(bench: DevmemSetup, name: str = "up", *, zerocopy: bool = True) -> None:
    """A connection from the DUT to remote."""
    address = bench.remote.ipv4 if bench.where.ip_version == 4 else bench.remote.ipv6
    bench.sender.do(f"listen {name}-listener {address} {PORT}")
    bench.console.do(f"connect {name} {address} {PORT}")
    bench.sender.ask(f"accept {name} {name}-listener {WAIT_MS}", f"close {name}-listener")
    if zerocopy:
        bench.console.do(f"zerocopy {name}")


def arrives(bench: DevmemSetup, count: int, name: str = "up") -> str:
    """SHA-256 of the next bytes at the remote end; all that came is hashed."""
    return str(bench.sender.do(f"drain {name} {count} {WAIT_MS} keep")["sha256"])


def attempt(bench: DevmemSetup, number: int, *words: str, flags: str = "zerocopy") -> int | str:
    """What sendmsg() says: bytes, or its errno."""
    answer = bench.console.attempt(f"send-dmabuf up {number} {flags} {' '.join(words)}")
    error: str | None = answer.get("error")
    return error or int(answer["bytes"])


@pytest.mark.parametrize("bench", [4, 6], indirect=True, ids="IPv{}".format)
@pytest.mark.parametrize("scattered", [False, True], ids=["whole", "scattered"])
def test_sent_out_of_the_dmabuf(bench: DevmemSetup, scattered: bool) -> None:
    """What lies in the dmabuf arrives; each send is completed, none was copied."""
    number = bind_tx(bench, scattered=scattered)
    digest = bench.console.do(f"random out 7 0 {COUNT}")["sha256"]
    connect(bench)
    assert attempt(bench, number, f"0:{COUNT}") == COUNT
    assert arrives(bench, COUNT) == digest
    assert bench.console.do(f"completions up 1 {WAIT_MS}") == {"done": 1, "copied": 0}


def test_long_stream(bench: DevmemSetup) -> None:
    """2 MB in one go, in segments as large as the card takes them."""
    number = bind_tx(bench)
    digest = bench.console.do(f"random out 8 0 {LARGE}")["sha256"]
    words = [program("stream_rx"), bench.remote.ipv4, str(PORT)]
    receiver = bench.remote.start(words)
    bench.defer(receiver.kill)
    listens = f":{PORT:04X} 00000000:0000 0A"  # of /proc/net/tcp; other tests used the port, too
    bench.remote.run(
        ["sh", "-c", f"until grep -q '{listens}' /proc/net/tcp; do sleep 0.02; done"],
        timeout_s=20.0,
    )
    bench.console.do(f"connect up {bench.remote.ipv4} {PORT}")
    bench.console.do("zerocopy up")
    sent = 0
    while sent < LARGE:
        now = attempt(bench, number, f"{sent}:{LARGE - sent}")
        assert isinstance(now, int), f"after {sent} bytes: {now}"
        sent += now
    bench.console.do("shutdown up")
    (flow,) = result_of(receiver.wait(60.0))["flows"]
    assert (flow["bytes"], flow["sha256"]) == (LARGE, digest)


def test_offsets_and_pieces(bench: DevmemSetup) -> None:
    """Pieces of any length at any offset, in the order they are named."""
    number = bind_tx(bench)
    bench.console.do(f"random out 9 0 {4 * PAGE_BYTES}")
    parts = ["1:3", f"{PAGE_BYTES - 1}:2", "5000:6000", f"{3 * PAGE_BYTES}:{PAGE_BYTES}", "0:1"]
    digest = bench.console.do(f"digest {' '.join(f'out:{part}' for part in parts)}")["sha256"]
    count = sum(int(part.split(":")[1]) for part in parts)
    connect(bench)
    assert attempt(bench, number, *parts) == count
    assert arrives(bench, count) == digest


def test_ordinary_and_device_memory_in_turns(bench: DevmemSetup) -> None:
    """Both on one connection, byte after byte in the order they were sent."""
    number = bind_tx(bench)
    bench.console.do(f"random out 10 0 {COUNT}")
    connect(bench)
    for seed in range(1, 4):
        sent = bench.console.do(f"send up 1000 {seed}")
        assert sent["stream_bytes"] == 1000
        assert attempt(bench, number, f"{seed * 100}:2000") == 2000
    received = bench.sender.do(f"drain up 9000 {WAIT_MS} keep")
    assert (received["bytes"], received["sha256"]) == (9000, mixed(bench))


def mixed(bench: DevmemSetup) -> str:
    """SHA-256 of what the test above sends, put together in a dmabuf of its own."""
    bench.console.do(f"udmabuf model {4 * PAGE_BYTES}")
    parts = []
    for seed in range(1, 4):
        bench.console.do(f"random model {seed} {seed * PAGE_BYTES} 1000")
        parts.append((f"{seed * PAGE_BYTES}:1000", f"{seed * 100}:2000"))
    words = " ".join(f"model:{model} out:{out}" for model, out in parts)
    return str(bench.console.do(f"digest {words}")["sha256"])


def test_needs_the_flag(bench: DevmemSetup) -> None:
    """Without MSG_ZEROCOPY, or on a socket that has not SO_ZEROCOPY: EINVAL, nothing is sent."""
    number = bind_tx(bench)
    connect(bench, zerocopy=False)
    assert attempt(bench, number, "0:100") == "EINVAL"
    bench.console.do("zerocopy up")
    assert attempt(bench, number, "0:100", flags="plain") == "EINVAL"
    assert bench.sender.attempt("drain up 1 300 keep")["error"] == "ETIMEDOUT"


def test_wrong_ids(bench: DevmemSetup) -> None:
    """An id that nobody has, and one that is bound to receive."""
    bind_tx(bench)
    receiving = bench.bind()
    connect(bench)
    assert attempt(bench, UNKNOWN, "0:100") == "EINVAL"
    assert attempt(bench, receiving, "0:100") == "EINVAL"
    assert bench.sender.attempt("drain up 1 300 keep")["error"] == "ETIMEDOUT"


def test_outside_of_the_dmabuf(bench: DevmemSetup) -> None:
    """An offset behind its end; a piece that reaches beyond it is sent up to there."""
    number = bind_tx(bench)
    bench.console.do(f"random out 11 {BUFFER_BYTES - 100} 100")
    digest = bench.console.do(f"digest out:{BUFFER_BYTES - 100}:100")["sha256"]
    connect(bench)
    assert attempt(bench, number, f"{BUFFER_BYTES}:1") == "EFAULT"
    assert attempt(bench, number, f"{1 << 62}:1") == "EFAULT"
    assert attempt(bench, number, f"{BUFFER_BYTES - 100}:200") in (100, "EFAULT")
    received = bench.sender.attempt("drain up 100 500 keep")
    assert received["sha256"] == digest or received["bytes"] == 0


def test_other_way_out(bench: DevmemSetup) -> None:
    """A connection that leaves through another device cannot send it: ENODEV."""
    number = bind_tx(bench)
    bench.console.do(f"listen local-listener {bench.dut.ipv4} {PORT}")
    bench.console.do(f"connect up {bench.dut.ipv4} {PORT}")
    bench.console.do(f"accept local local-listener {WAIT_MS}")
    bench.console.do("zerocopy up")
    assert attempt(bench, number, "0:100") == "ENODEV"
    assert bench.console.attempt("drain local 1 300 keep")["error"] == "ETIMEDOUT"


@pytest.mark.needs(Capability.LINK_CYCLE)
@pytest.mark.finding("devmem-tx-route-stale")
@pytest.mark.parametrize("tries", [False, True], ids=["idle", "tries"])
def test_down_and_up(bench: DevmemSetup, tries: bool) -> None:
    """A connection can send afterwards, whether it had nothing to send meanwhile or could not."""
    number = bind_tx(bench)
    digest = bench.console.do("random out 14 0 1000")["sha256"]
    connect(bench)
    set_link(bench.dut, "down")
    if tries:
        pause(bench.dut, 0.5)  # the route goes a moment later than the interface
        assert attempt(bench, number, "0:1000") in ("ENODEV", "EHOSTUNREACH", "ENETUNREACH")
    set_link(bench.dut, "up")
    await_carrier(bench.dut, up=True)
    assert attempt(bench, number, "0:1000") == 1000
    assert arrives(bench, 1000) == digest


def test_card_without_checksum_offload(bench: DevmemSetup) -> None:
    """The kernel would have to read the payload: nothing leaves until the card does it again."""
    number = bind_tx(bench)
    digest = bench.console.do("random out 13 0 1000")["sha256"]
    connect(bench)
    set_feature(bench.dut, "tx", "off", bench.defer)
    before = tcp_counters(bench.remote)["InCsumErrors"]
    assert attempt(bench, number, "0:1000") == 1000
    waited = bench.sender.attempt("drain up 1 1000 keep")
    assert (waited["error"], waited["bytes"]) == ("ETIMEDOUT", 0)
    assert tcp_counters(bench.remote)["InCsumErrors"] == before, "it left with a wrong checksum"
    ethtool(bench.dut, "-K", bench.dut.netdev, "tx", "on")
    assert arrives(bench, 1000) == digest


def test_unbound_while_sending(bench: DevmemSetup) -> None:
    """What was sent before the binding went arrives; after it the id is good for nothing."""
    number = bind_tx(bench)
    digest = bench.console.do(f"random out 12 0 {COUNT}")["sha256"]
    connect(bench)
    assert attempt(bench, number, f"0:{COUNT}") == COUNT
    bench.console.do("unbind sending")
    assert attempt(bench, number, "0:100") == "EINVAL"
    assert arrives(bench, COUNT) == digest


def test_both_ways(bench: DevmemSetup) -> None:
    """One dmabuf bound to receive and to transmit: what came in goes out, without the kernel."""
    bench.bind()
    number = int(bench.console.do(f"bind-tx sending {bench.dut.netdev} {BUFFER}")["id"])
    bench.connect()
    connect(bench)
    digest = bench.send(COUNT)
    held = bench.fragments(COUNT)
    parts = [f"{fragment['offset']}:{fragment['size']}" for fragment in held]
    assert attempt(bench, number, *parts) == COUNT
    assert arrives(bench, COUNT) == digest
    assert bench.console.do("return flow")["taken"] == len(held)


@pytest.mark.needs(Capability.SANITIZERS)
@pytest.mark.finding("devmem-tx-device-freed")
def test_driver_removed_while_bound(passing_bench: DevmemSetup) -> None:
    """The driver leaves under a binding to transmit; afterwards its id is good for nothing."""
    bench = passing_bench
    number = bind_tx(bench)
    connect(bench)
    reload_driver(bench.dut)
    assert attempt(bench, number, "0:100") in ("ENODEV", "EINVAL", "EHOSTUNREACH")
    try:
        bench.console.do("unbind sending")
    except GuestTimeout as hangs:
        raise AssertionError("the closing of the netlink socket does not end") from hangs
