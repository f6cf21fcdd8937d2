# SPDX-License-Identifier: GPL-2.0-only
"""Which dmabuf may be bound to which queue, what netlink says of it, and what it forbids."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.devmem import (
    BUFFER,
    BUFFER_BYTES,
    PAGE_BYTES,
    Console,
    DevmemSetup,
    on_queue,
    sent_by,
)
from testbed.dut.nic import CHANNELS, ethtool, set_channels, spread_over, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT)

COUNT = 30_000
NEIGHBOUR = CHANNELS - 2
NOBODY = "65534"
ZCRX_CANNOT_BIND = 3


def refusal(bench: DevmemSetup, step: str) -> tuple[str, str]:
    """The errno and the kernel's words for a step that must not succeed."""
    answer = bench.console.attempt(step)
    return answer.get("error", "bound"), answer.get("extack", "")


def receives(bench: DevmemSetup, number: int) -> None:
    """The queue receives into the dmabuf of binding ``number``."""
    bench.connect("check")
    digest = bench.send(COUNT, name="check")
    first = bench.receive(1, "devmem", name="check")
    assert [fragment["dmabuf"] for fragment in first["fragments"]] == [number]
    rest = bench.drain(COUNT - 1, name="check")
    assert (rest["sha256"], rest["fragment_bytes"]) == (digest, COUNT - 1)
    bench.console.do("close check")
    bench.sender.do("close check")


def test_netlink_tells_of_the_binding(bench: DevmemSetup) -> None:
    """Queue and page pool carry the binding's id while it lasts; no other queue or pool does."""
    assert (bench.bound_queues(), bench.bound_pools()) == ({}, [])
    number = bench.bind()
    assert bench.bound_queues() == {bench.where.queue: number}
    (pool,) = bench.bound_pools()
    napi = {queue["id"]: queue["napi_id"] for queue in bench.state().queues}
    assert (pool["dmabuf"], pool["napi_id"]) == (number, napi[bench.where.queue])
    assert 0 < pool["inflight"] <= BUFFER_BYTES // PAGE_BYTES
    assert not pool["io_uring"]
    bench.console.do("unbind binding")
    state = wait_until_free(bench.dut)
    assert [entry for entry in (*state.queues, *state.page_pools) if entry["dmabuf"]] == []


def test_pool_counts_what_it_lends(bench: DevmemSetup) -> None:
    """The pool never has more in flight than the dmabuf has pages, however much passes."""
    bench.bind()
    sender = bench.start_sending(8 * MIB)
    assert bench.drain(0)["fragment_bytes"] == 8 * MIB
    bench.console.do("close flow")
    sent_by(sender)
    (pool,) = bench.bound_pools()
    assert pool["inflight"] <= BUFFER_BYTES // PAGE_BYTES
    assert pool["inflight_bytes"] == pool["inflight"] * PAGE_BYTES
    receives(bench, pool["dmabuf"])


def test_binding_holds_its_dmabuf(bench: DevmemSetup) -> None:
    """A binding is one reference to the dmabuf, gone when it is."""
    descriptor = bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")["fd"]
    before = references(bench, descriptor)
    bench.rebind()
    assert references(bench, descriptor) == before + 1
    bench.unbind()
    for _ in range(50):  # the last step is a kernel worker's
        if references(bench, descriptor) == before:
            return
        pause(bench.dut, 0.1)
    pytest.fail(f"{references(bench, descriptor)} references are left, there were {before}")


def references(bench: DevmemSetup, descriptor: int) -> int:
    """What the kernel counts (dma_buf_show_fdinfo)."""
    text = bench.dut.run(["cat", f"/proc/{bench.console.pid}/fdinfo/{descriptor}"]).text
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(fields["count"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tcp-data-split", "auto"), "tcp-data-split is disabled"),
        (("tcp-data-split", "on", "hds-thresh", "1"), "hds-thresh is not zero"),
    ],
    ids=["auto", "threshold"],
)
def test_queue_without_split(bench: DevmemSetup, words: tuple[str, ...], message: str) -> None:
    """Without header split, or with a threshold, no dmabuf is bound; the kernel says why."""
    ethtool(bench.dut, "-G", bench.dut.netdev, *words)
    bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
    assert refusal(bench, bench.bind_step()) == ("EINVAL", message)
    assert bench.bound_queues() == {}
    ethtool(bench.dut, "-G", bench.dut.netdev, "tcp-data-split", "on", "hds-thresh", "0")
    receives(bench, bench.rebind())


@pytest.mark.parametrize("queue", [CHANNELS, 1000, 4294967295])
def test_queue_out_of_range(bench: DevmemSetup, queue: int) -> None:
    """A queue that does not exist."""
    bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
    error, _ = refusal(bench, bench.bind_step(queues=[queue]))
    assert error == "EINVAL"
    assert bench.bound_queues() == {}


def test_queue_taken(bench: DevmemSetup) -> None:
    """The second dmabuf is refused, the first goes on; once that is gone the second may."""
    number = bench.bind()
    bench.console.do(f"udmabuf other {BUFFER_BYTES}")
    taken = ("EEXIST", "designated queue already memory provider bound")
    assert refusal(bench, bench.bind_step("other", "second")) == taken
    assert bench.bound_queues() == {bench.where.queue: number}
    receives(bench, number)
    bench.console.do("unbind binding")
    receives(bench, bench.rebind(buffer="other", binding="second"))


def test_queue_taken_by_this_dmabuf(bench: DevmemSetup) -> None:
    """So is the first dmabuf itself; for a moment its pages are mapped twice."""
    number = bench.bind()
    taken = ("EEXIST", "designated queue already memory provider bound")
    assert refusal(bench, bench.bind_step()) == taken
    assert bench.bound_queues() == {bench.where.queue: number}
    receives(bench, number)


@pytest.mark.needs(Capability.ZCRX)
def test_queue_taken_by_zcrx(bench: DevmemSetup) -> None:
    """What io_uring has, device memory does not get."""
    queue, port = str(bench.where.queue), str(bench.where.port)
    client = bench.dut.start([program("zcrx_rx"), bench.dut.netdev, queue, bench.dut.ipv4, port])
    bench.defer(client.kill)
    while not bench.state().providers:
        assert client.poll() is None
        pause(bench.dut, 0.05)
    bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
    taken = ("EEXIST", "designated queue already memory provider bound")
    assert refusal(bench, bench.bind_step()) == taken
    client.kill()
    wait_until_free(bench.dut)
    receives(bench, bench.rebind())


@pytest.mark.needs(Capability.ZCRX)
def test_zcrx_finds_the_queue_taken(bench: DevmemSetup) -> None:
    """And the other way round."""
    number = bench.bind()
    words = [program("zcrx_rx"), bench.dut.netdev, str(bench.where.queue), bench.dut.ipv4, "5899"]
    done = bench.dut.run(words, check=False)
    assert done.returncode == ZCRX_CANNOT_BIND
    assert "EEXIST" in done.error_text
    receives(bench, number)


def test_no_dmabuf(bench: DevmemSetup) -> None:
    """A file that is no dmabuf, and no file at all."""
    bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
    assert refusal(bench, bench.bind_step(f"memfd:{BUFFER}"))[0] == "EINVAL"
    assert refusal(bench, bench.bind_step("-1"))[0] == "EBADF"
    assert bench.bound_queues() == {}


def test_needs_a_privilege(dut: Dut) -> None:
    """An ordinary user may not bind a queue."""
    words = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    probe = [program("devmem_console"), "--probe", dut.netdev]
    assert result_of(dut.run(probe))["bind_rx"]
    assert not result_of(dut.run([*words, *probe]))["bind_rx"]


def test_one_dmabuf_for_two_queues(bench: DevmemSetup) -> None:
    """One binding, two page pools; both queues receive into the same memory."""
    number = bench.bind(queues=[NEIGHBOUR, bench.where.queue])
    assert bench.bound_queues() == {NEIGHBOUR: number, bench.where.queue: number}
    assert [pool["dmabuf"] for pool in bench.bound_pools()] == [number, number]
    receives(bench, number)
    receives(on_queue(bench, NEIGHBOUR), number)


def test_two_bindings(bench: DevmemSetup) -> None:
    """Each queue has its binding, and a fragment says whose it is; one goes, the other stays."""
    first = bench.bind()
    neighbour = on_queue(bench, NEIGHBOUR)
    second = neighbour.bind(buffer="other", binding="second")
    assert first != second
    assert bench.bound_queues() == {bench.where.queue: first, NEIGHBOUR: second}
    receives(neighbour, second)
    bench.console.do("unbind binding")
    assert bench.bound_queues() == {NEIGHBOUR: second}
    receives(neighbour, second)


def test_two_bindings_of_one_socket(bench: DevmemSetup) -> None:
    """Closing the netlink socket ends all that it has bound."""
    bench.bind()
    bench.bind(buffer="other", queues=[NEIGHBOUR])
    assert sorted(bench.bound_queues()) == [NEIGHBOUR, bench.where.queue]
    bench.unbind()


def test_all_queues_or_none(bench: DevmemSetup) -> None:
    """If one queue of several is taken, none is bound, and the one that has it goes on."""
    number = bench.bind(queues=[NEIGHBOUR])
    bench.console.do(f"udmabuf other {BUFFER_BYTES}")
    both = bench.bind_step("other", "second", [NEIGHBOUR - 1, NEIGHBOUR])
    assert refusal(bench, both)[0] == "EEXIST"
    assert bench.bound_queues() == {NEIGHBOUR: number}
    receives(on_queue(bench, NEIGHBOUR), number)


def test_binding_while_down(dut: Dut, bench: DevmemSetup) -> None:
    """No queue of an interface that is down is bound, and nothing is left of the attempt."""
    bench.console.do(f"udmabuf {BUFFER} {BUFFER_BYTES}")
    dut.run(["ip", "link", "set", "dev", dut.netdev, "down"])
    bench.defer(dut.run, ["ip", "link", "set", "dev", dut.netdev, "up"])
    assert refusal(bench, bench.bind_step())[0] == "ENETDOWN"
    assert bench.bound_queues() == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("-L", "combined", str(CHANNELS - 1)),
            # with ntuple filters the rule that steers to the queue is in the way first
            "requested channel counts are too low for existing (memory provider|ntuple filter)",
        ),
        (("-G", "tcp-data-split", "auto"), "memory provider"),
        (("-G", "hds-thresh", "64"), "memory provider"),
    ],
    ids=["fewer channels", "split off", "threshold"],
)
def test_settings_it_forbids(bench: DevmemSetup, words: tuple[str, ...], message: str) -> None:
    """What would take queue or split away is refused while a dmabuf is bound."""
    number = bench.bind()
    spread_over(bench.dut, 1, bench.defer)  # or the table of RSS would forbid fewer channels
    option, *rest = words
    done = bench.dut.run(["ethtool", option, bench.dut.netdev, *rest], check=False)
    assert done.returncode != 0, "the setting was accepted"
    assert re.search(message, done.error_text)
    assert bench.bound_queues() == {bench.where.queue: number}
    receives(on_queue(bench, bench.where.queue), number)


def test_more_channels_while_bound(bench: DevmemSetup) -> None:
    """Another number of channels that keeps the queue keeps the binding."""
    number = bench.bind()
    set_channels(bench.dut, CHANNELS + 1, bench.defer)
    assert bench.bound_queues() == {bench.where.queue: number}
    receives(bench, number)
    bench.console.do("unbind binding")  # with it, fewer channels would be refused
    wait_until_free(bench.dut)


def test_small_dmabuf(dut: Dut, remote: Endpoint, defer: Defer, bench: DevmemSetup) -> None:
    """One that cannot fill the ring is refused, or receives; either way nothing is left of it."""
    bench.console.do(f"udmabuf tiny {4 * PAGE_BYTES}")
    error, _ = refusal(bench, bench.bind_step("tiny"))
    assert error in ("ENOMEM", "bound")
    bench.console.kill()
    wait_until_free(dut)
    again = replace(bench, console=Console(dut, "again"))
    defer(again.console.kill)
    receives(again, again.bind())
    assert netdev_state(dut).providers
