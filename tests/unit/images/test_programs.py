# SPDX-License-Identifier: GPL-2.0-only
"""The guest programs that need no guest: both ends of a verified stream on this host's loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from images.compile import Programs
from testbed.dut.mismatch import Differences, Run, describe, stream_bytes

COMPILER = shutil.which("gcc")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no gcc on this host")


@pytest.fixture(scope="module", params=["SHA256_EXTENSIONS", "SHA256_PORTABLE"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stream programs, compiled with warnings as errors."""
    folder = tmp_path_factory.mktemp("programs")
    programs = Programs.load("programs", "stream_tx", "stream_rx", "frame_watch", "pool_hold")
    for name, files in programs.sources.items():
        subprocess.run(
            [
                str(COMPILER), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                f"-D{request.param}", f"-I{programs.folder}", "-o", str(folder / name),
                *(str(programs.folder / file) for file in files),
            ],
            check=True,
        )  # fmt: skip
    return folder


def free_port(family: socket.AddressFamily) -> int:
    with socket.socket(family) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def stream(
    folder: Path, address: str, flows: int, length: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    words = [address, str(free_port(family)), "--flows", str(flows), "--timeout", "20"]
    receiver = subprocess.Popen([folder / "stream_rx", *words], stdout=subprocess.PIPE)
    sender = [str(folder / "stream_tx"), *words, "--bytes", str(length), "--seed", str(seed)]
    sent = subprocess.run(sender, stdout=subprocess.PIPE, check=True)
    received, _ = receiver.communicate(timeout=30)
    assert receiver.returncode == 0
    return json.loads(sent.stdout), json.loads(received)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("length", [1, 55, 56, 63, 64, 65, 65535, 65536, 200_003])
def test_both_ends_hash_what_was_sent(folder: Path, address: str, length: int) -> None:
    sent, received = stream(folder, address, 1, length, seed=9)
    expected = hashlib.sha256(stream_bytes(9, 0, length)).hexdigest()
    for end in (sent, received):
        assert [(flow["bytes"], flow["sha256"]) for flow in end["flows"]] == [(length, expected)]


def test_flows_differ_and_match_by_port(folder: Path) -> None:
    sent, received = stream(folder, "127.0.0.1", 8, 10_000, seed=3)

    def by_port(end: dict[str, Any]) -> dict[int, str]:
        return {flow["port"]: flow["sha256"] for flow in end["flows"]}

    assert by_port(sent) == by_port(received)
    expected = [hashlib.sha256(stream_bytes(3, n, 10_000)).hexdigest() for n in range(8)]
    assert [flow["sha256"] for flow in sent["flows"]] == expected


def received_instead(folder: Path, data: bytes, flows: int = 2, seed: int = 5) -> dict[str, Any]:
    """What stream_rx prints of a flow of ``data`` where it expects one of those of ``seed``."""
    port = free_port(socket.AF_INET)
    words = ["127.0.0.1", str(port), "--flows", "1", "--seed", str(seed), "--timeout", "20"]
    receiver = subprocess.Popen([folder / "stream_rx", *words], stdout=subprocess.PIPE)
    for _ in range(200):
        with socket.socket() as sender, suppress(ConnectionRefusedError):
            sender.connect(("127.0.0.1", port))
            sender.sendall(data)
            sender.shutdown(socket.SHUT_WR)
            sender.recv(1)
            break
        time.sleep(0.05)
    out, _ = receiver.communicate(timeout=30)
    flow: dict[str, Any] = json.loads(out)["flows"][0]
    return flow


def test_receiver_says_nothing_of_what_it_expected(folder: Path) -> None:
    assert "differs" not in received_instead(folder, stream_bytes(5, 0, 100_003))


def test_receiver_says_where_it_got_something_else(folder: Path) -> None:
    data = bytearray(stream_bytes(5, 0, 50_001))
    for place in range(8192, 50_000, 16384):
        data[place : place + 4096] = stream_bytes(5, 0, 50_001)[place - 4096 : place]
    found = Differences.of(received_instead(folder, bytes(data)))
    assert found is not None
    assert [(run.offset, run.length) for run in found.first] == [
        (8192, 4096), (24576, 4096), (40960, 4096),
    ]  # fmt: skip
    assert describe(found, 5, 0, [50_001]) == (
        "first difference at 8192, 4096 bytes, 3 such places, one every 16384 bytes: "
        "bytes 8192..12287 are those expected at 4096: an older buffer (4096 bytes back)"
    )


def test_receiver_sees_what_is_missing(folder: Path) -> None:
    whole = stream_bytes(5, 0, 40_000)
    found = Differences.of(received_instead(folder, whole[:10_001] + whole[12_000:]))
    assert found is not None
    assert (found.count, found.first[0].offset) == (1, 10_001)
    assert found.first[0].received == whole[12_000:12_064]


def test_receiver_keeps_a_few_of_many_differences(folder: Path) -> None:
    data = bytearray(stream_bytes(5, 0, 50_000))
    for place in range(100, 50_000, 100):
        data[place] ^= 1
    found = Differences.of(received_instead(folder, bytes(data)))
    assert found is not None
    assert (found.count, len(found.first), found.first[3].offset) == (499, 4, 400)


def test_stream_of_another_seed_differs_from_its_first_byte(folder: Path) -> None:
    found = Differences.of(received_instead(folder, stream_bytes(6, 0, 1000)))
    assert found == Differences(1, (Run(0, 1000, stream_bytes(6, 0, 64)),))


def waiting_at(port: int) -> int:
    """Bytes in the receive queue of the one connection to a port: proc_net_tcp.rst."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [row[4] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return int(queues[0].partition(":")[2], 16) if queues else -1


def held(
    folder: Path, data: bytes, hold: int, *more: str, stays: int, seed: int = 5
) -> dict[str, Any]:
    """What pool_hold prints of ``data``, told to let go when ``stays`` bytes wait in its socket."""
    port = free_port(socket.AF_INET)
    words = ["127.0.0.1", str(port), "--hold", str(hold), "--seed", str(seed), "--timeout", "20"]
    command = [folder / "pool_hold", *words, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as receiver, socket.socket() as sender:
        while sender.connect_ex(("127.0.0.1", port)):
            assert receiver.poll() is None
            time.sleep(0.02)
        sender.sendall(data)
        while waiting_at(port) != stays:
            assert receiver.poll() is None
            time.sleep(0.02)
        receiver.send_signal(signal.SIGUSR1)
        sender.shutdown(socket.SHUT_WR)
        out, _ = receiver.communicate(timeout=30)
    found: dict[str, Any] = json.loads(out)
    return found


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="requires root: SO_RCVBUFFORCE")


@needs_root
@pytest.mark.parametrize(
    ("more", "stays"), [([], 100_003), (["--pipe"], 34_467)], ids=["in the socket", "in a pipe"]
)
def test_data_waits_and_is_whole_afterwards(folder: Path, more: list[str], stays: int) -> None:
    data = stream_bytes(5, 0, 100_003)
    found = held(folder, data, 1 << 16, *more, stays=stays)
    (flow,) = found["flows"]
    assert found["held"] == (65_536 if more else 100_003)
    assert (flow["bytes"], flow["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert "differs" not in flow


@needs_root
@pytest.mark.parametrize("more", [[], ["--pipe"]], ids=["in the socket", "in a pipe"])
@pytest.mark.parametrize("place", [8192, 40_960], ids=["held", "of the rest"])
def test_what_waited_is_compared(folder: Path, more: list[str], place: int) -> None:
    data = bytearray(stream_bytes(5, 0, 50_000))
    data[place : place + 4096] = bytes(4096)
    hold, stays = (1 << 14, 50_000 - (1 << 14)) if more else (1 << 16, 50_000)
    found = Differences.of(held(folder, bytes(data), hold, *more, stays=stays)["flows"][0])
    assert found == Differences(1, (Run(place, 4096, bytes(64)),))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["127.0.0.1", "1"], 2, "usage: pool_hold"),
        (["127.0.0.1", "1", "--hold", "0"], 2, "usage: pool_hold"),
        (["127.0.0.1", "1", "--hold", "4k"], 1, "--hold: '4k' is not a number"),
        pytest.param(
            ["127.0.0.1", "PORT", "--hold", "1", "--timeout", "1"], 1, "no flow came in 1 s",
            marks=needs_root,
        ),
    ],
)  # fmt: skip
def test_nothing_to_hold(folder: Path, words: list[str], status: int, said: str) -> None:
    port = str(free_port(socket.AF_INET))
    done = subprocess.run(
        [folder / "pool_hold", *(port if one == "PORT" else one for one in words)],
        capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == status
    assert said in done.stderr.decode()


def test_unchecked_streams_are_counted_and_not_hashed(folder: Path) -> None:
    address = ["127.0.0.1", str(free_port(socket.AF_INET))]
    words = [*address, "--flows", "2", "--timeout", "20", "--unchecked"]
    receiver = subprocess.Popen([folder / "stream_rx", *words], stdout=subprocess.PIPE)
    sender = [folder / "stream_tx", *words, "--bytes", "3000001"]
    sent = json.loads(subprocess.run(sender, stdout=subprocess.PIPE, check=True).stdout)
    received = json.loads(receiver.communicate(timeout=30)[0])
    for end in (sent, received):
        assert [(flow["bytes"], flow["sha256"]) for flow in end["flows"]] == [(3000001, "")] * 2


def test_nothing_is_compared_unchecked(folder: Path) -> None:
    words = ["127.0.0.1", "5000", "--seed", "1", "--unchecked"]
    done = subprocess.run([folder / "stream_rx", *words], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"[--seed S | --unchecked]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["127.0.0.1"], 2, "usage: stream_tx"),
        (["nowhere", "5000"], 1, "'nowhere' is neither an IPv4 nor an IPv6 address"),
        (["127.0.0.1", "70000"], 1, "port 70000 is outside 1..65535"),
        (["127.0.0.1", "12x"], 1, "PORT: '12x' is not a number"),
        (["127.0.0.1", "1", "--timeout", "0"], 1, "ECONNREFUSED"),
    ],
)
def test_errors_name_the_cause(folder: Path, arguments: list[str], status: int, said: str) -> None:
    done = subprocess.run(
        [folder / "stream_tx", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert said in done.stderr


WIRE = """
set -e
ip link add near type veth peer name far
for end in near far; do
    echo 1 >/proc/sys/net/ipv6/conf/$end/disable_ipv6
    ip link set $end up
done
"""


def test_frames_of_strangers_are_counted(folder: Path, tmp_path: Path) -> None:
    """A wire of its own: what the other end sends is no stranger's, nor is what a bridge passes."""
    script = tmp_path / "send.py"
    script.write_text(
        """
import json, signal, socket, subprocess, sys, time

def mac(name):
    (link,) = json.loads(subprocess.check_output(["ip", "-j", "link", "show", name]))
    return bytes.fromhex(link["address"].replace(":", ""))

def send(name, target, source, count):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((name, 0))
        for _ in range(count):
            wire.send(target + source + b"\\x88\\xcc" + bytes(50))

near, far = mac("near"), mac("far")
watch = subprocess.Popen([sys.argv[1], "near", far.hex(":")])
while open("/proc/net/packet").read().count("\\n") < 3:
    time.sleep(0.01)
send("far", near, far, 7)
send("far", near, bytes([2] * 6), 3)
send("far", near, far[:4] + bytes([far[4] ^ 1, far[5]]), 2)
send("near", bytes.fromhex("0180c200000e"), near, 5)
send("near", bytes.fromhex("0180c2000010"), near, 4)
send("near", far, near, 4)
watch.send_signal(signal.SIGTERM)
sys.exit(watch.wait())
"""
    )
    words = ["unshare", "-rn", "sh", "-c", f'{WIRE}\nexec "$@"', "sh", sys.executable]
    done = subprocess.run(
        [*words, script, folder / "frame_watch"], capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr or "RTNETLINK" in done.stderr:
        pytest.skip(f"no network namespace of one's own: {done.stderr.strip()}")
    assert json.loads(done.stdout) == {"foreign": 5, "kept": 5}, done.stderr
