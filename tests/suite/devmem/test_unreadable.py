# SPDX-License-Identifier: GPL-2.0-only
"""Payload in device memory is never copied or read by the kernel, whoever asks."""

from __future__ import annotations

import struct

import pytest

from testbed.dut.counters import ip_counters
from testbed.dut.defer import Defer
from testbed.dut.devmem import DevmemSetup
from testbed.dut.nic import add_rule, set_mtu
from testbed.dut.protocols import Capability, Dut, Endpoint

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT)

COUNT = 20_000
WHOLE_PAGES_MTU, WHOLE_PAGES = 4148, 5 * 4096  # headers of 52 bytes, with timestamps, and a page
UDP_PORT = 5802
UDP_BYTES = 500
DATAGRAMS = 5
LONGEST_HEADERS = 14 + 60 + 60  # Ethernet, IPv4 and TCP with all their options
SEQUENCE_AT = 14 + 20 + 4  # of the number in the TCP header behind Ethernet and IPv4
OTHER_NETWORK, OTHER_HOST = "198.51.100.0/24", "198.51.100.9"
CAPTURE = "/tmp/devmem.pcap"
PAYLOAD_FILTER = "tcp[((tcp[12] & 0xf0) >> 2):1] >= 0"  # true of every segment with payload


@pytest.mark.parametrize("flags", [(), ("peek",)], ids=["read", "peek"])
def test_ordinary_read_is_refused(bench: DevmemSetup, flags: tuple[str, ...]) -> None:
    """Without MSG_SOCK_DEVMEM: EFAULT, not a byte copied, and the data is still there."""
    bench.bind_and_connect()
    digest = bench.send(COUNT)
    refused = bench.receive(COUNT, *flags, control_bytes=0)
    assert (refused["error"], refused["bytes"], refused["written"]) == ("EFAULT", 0, 0)
    received = bench.drain(COUNT)
    assert (received["sha256"], received["fragment_bytes"]) == (digest, COUNT)


def test_splice_moves_nothing(bench: DevmemSetup) -> None:
    """splice() puts no page into the pipe."""
    bench.bind_and_connect()
    digest = bench.send(COUNT)
    assert bench.drain(0 + 100)["bytes"] == 100  # the data has come
    answer = bench.console.attempt(f"splice flow {COUNT}")
    assert answer.get("bytes", 0) == 0
    assert bench.drain(COUNT - 100)["sha256"] == digest


@pytest.mark.parametrize("bound", [True, False], ids=["in device memory", "ordinary"])
def test_zerocopy_receive_maps_nothing(bench: DevmemSetup, bound: bool) -> None:
    """TCP_ZEROCOPY_RECEIVE maps no page of it and copies none of it; of ordinary pages it does.

    Each segment fills a page, and none has been read: what could be mapped is there.
    """
    set_mtu(bench.dut, bench.remote, WHOLE_PAGES_MTU, bench.defer)
    if bound:
        bench.bind()
    bench.connect()
    digest = bench.send(WHOLE_PAGES)
    bench.receive(1, "devmem", "peek")  # the data has come
    answer = bench.console.attempt("mapped flow 65536")
    assert bool(answer.get("mapped", 0)) is not bound
    if bound:
        assert answer.get("written", 0) == 0
        assert bench.drain(WHOLE_PAGES)["sha256"] == digest


def test_capture_has_headers_only(bench: DevmemSetup) -> None:
    """tcpdump sees how long each segment was, and of its bytes the headers."""
    bench.bind_and_connect()
    frames = capture(bench, f"tcp dst port {bench.where.port}")
    positions = set()  # of bytes in the stream: a busy end may get some twice
    for headers, wire in frames:
        (start,) = struct.unpack_from(">I", headers, SEQUENCE_AT)
        positions.update(range(start, start + wire - len(headers)))
    assert len(positions) == COUNT
    assert max(len(headers) for headers, _ in frames) <= LONGEST_HEADERS


def test_packet_socket_has_headers_only(bench: DevmemSetup) -> None:
    """The same through a packet socket that is read."""
    bench.bind_and_connect()
    bench.console.do(f"packet ear {bench.dut.netdev}")
    bench.send(COUNT)
    bench.drain(COUNT)
    lengths = []
    while "error" not in (heard := bench.receive(9000, name="ear", wait_ms=200, control_bytes=0)):
        lengths.append(heard["bytes"])
    assert lengths
    assert max(lengths) <= LONGEST_HEADERS


@pytest.mark.parametrize("bound", [True, False], ids=["in device memory", "ordinary"])
def test_filter_in_the_kernel(bench: DevmemSetup, bound: bool) -> None:
    """The same of a filter that nobody applies again to what was captured, as libpcap may."""
    if bound:
        bench.bind()
    bench.connect()
    bench.console.do(f"packet ear {bench.dut.netdev} {LONGEST_HEADERS}")
    bench.send(COUNT)
    bench.drain(COUNT)
    heard = bench.receive(9000, name="ear", wait_ms=200, control_bytes=0)
    assert ("error" in heard) is bound, heard


@pytest.mark.parametrize("bound", [True, False], ids=["in device memory", "ordinary"])
def test_filter_on_payload(bench: DevmemSetup, bound: bool) -> None:
    """A BPF filter that loads a byte of the payload matches nothing there; elsewhere it does."""
    if bound:
        bench.bind()
    bench.connect()
    frames = capture(bench, f"tcp dst port {bench.where.port} and {PAYLOAD_FILTER}")
    assert bool(frames) is not bound


def capture(bench: DevmemSetup, expression: str) -> list[tuple[bytes, int]]:
    """Captured bytes and whole length of each frame that tcpdump kept of COUNT bytes."""
    words = ["tcpdump", "-Z", "root", "--immediate-mode", "-U", "-s", "0", "-w", CAPTURE]
    tcpdump = bench.dut.start([*words, "-i", bench.dut.netdev, expression])
    bench.defer(tcpdump.kill)
    bench.dut.run(["sh", "-c", f"until [ -s {CAPTURE} ]; do sleep 0.05; done"], timeout_s=20.0)
    bench.send(COUNT)
    bench.drain(COUNT)
    bench.dut.run(["kill", "-s", "INT", str(tcpdump.pid)])
    tcpdump.wait(20.0).check()
    data = bench.dut.get(CAPTURE)
    bench.dut.run(["rm", CAPTURE])
    frames, at = [], 24  # behind the file's header
    while at < len(data):
        captured, wire = struct.unpack_from("<II", data, at + 8)
        at += 16
        frames.append((data[at : at + captured], wire))
        at += captured
    return frames


@pytest.mark.parametrize("bound", [True, False], ids=["in device memory", "ordinary"])
def test_datagrams(bench: DevmemSetup, bound: bool) -> None:
    """A datagram in device memory cannot be read from its socket; from an ordinary queue it can."""
    steer_datagrams(bench)
    if bound:
        bench.bind()
    bench.console.do(f"udp datagrams {bench.dut.ipv4} {UDP_PORT}")
    send_datagrams(bench.remote, bench.dut.ipv4)
    answer = bench.receive(9000, name="datagrams", control_bytes=0, wait_ms=3000)
    if bound:
        assert (answer["bytes"], answer["written"]) == (0, 0)
        assert answer["error"] in ("EFAULT", "EAGAIN")  # EAGAIN: its checksum could not be checked
    else:
        assert answer["bytes"] == UDP_BYTES


@pytest.mark.parametrize("bound", [True, False], ids=["in device memory", "ordinary"])
def test_forwarding(bench: DevmemSetup, dut: Dut, remote: Endpoint, bound: bool) -> None:
    """A packet with payload in device memory leaves through no device that cannot reach it."""
    steer_datagrams(bench)
    other_network(dut, remote, bench.defer)
    if bound:
        bench.bind()
    before = ip_counters(dut)
    send_datagrams(remote, OTHER_HOST)
    bench.dut.run(["sh", "-c", f"sleep 0.2; ip neigh show {OTHER_HOST}"])
    forwarded = ip_counters(dut)["ForwDatagrams"] - before["ForwDatagrams"]
    left = int(dut.run(["cat", "/sys/class/net/other0/statistics/tx_packets"]).text)
    assert forwarded == DATAGRAMS
    assert left == (0 if bound else DATAGRAMS)


def steer_datagrams(bench: DevmemSetup) -> None:
    """Datagrams to UDP_PORT go to the queue."""
    if Capability.NTUPLE in bench.dut.capabilities:
        match = ("dst-port", str(UDP_PORT))
        add_rule(bench.dut, bench.defer, *match, flow_type="udp4", action=bench.where.queue)


def send_datagrams(remote: Endpoint, address: str) -> None:
    """DATAGRAMS of UDP_BYTES each."""
    send = (
        f"for i in $(seq {DATAGRAMS}); do printf '%0{UDP_BYTES}d' 7 >/dev/udp/$0/{UDP_PORT}; done"
    )
    remote.run(["bash", "-c", send, address])


def other_network(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A network behind the DUT, on a device that only counts."""
    dut.run(["ip", "link", "add", "other0", "type", "dummy"])
    defer(dut.run, ["ip", "link", "del", "other0"])
    dut.run(["sysctl", "-qw", "net.ipv6.conf.other0.disable_ipv6=1", "net.ipv4.ip_forward=1"])
    dut.run(["ip", "link", "set", "dev", "other0", "arp", "off", "up"])
    dut.run(["ip", "route", "add", OTHER_NETWORK, "dev", "other0"])
    defer(dut.run, ["sysctl", "-qw", "net.ipv4.ip_forward=0"])
    remote.run(["ip", "route", "add", OTHER_NETWORK, "via", dut.ipv4])
    defer(remote.run, ["ip", "route", "del", OTHER_NETWORK])
