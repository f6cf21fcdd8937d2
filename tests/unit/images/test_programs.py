# SPDX-License-Identifier: GPL-2.0-only
"""The guest programs that need no guest: both ends of a verified stream on this host's loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from images.compile import Programs

COMPILER = shutil.which("gcc")
MASK = (1 << 64) - 1

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no gcc on this host")


@pytest.fixture(scope="module", params=["SHA256_EXTENSIONS", "SHA256_PORTABLE"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stream programs, compiled with warnings as errors."""
    folder = tmp_path_factory.mktemp("programs")
    programs = Programs.load("programs", "stream_tx", "stream_rx")
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


def payload(seed: int, flow: int, length: int) -> bytes:
    """What stream_tx sends: xorshift64*, started by splitmix64's finalizer."""
    x = (seed + (flow + 1) * 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & MASK
    x = x ^ x >> 31 or 1
    words = []
    for _ in range(-(-length // 8)):
        x ^= x >> 12
        x ^= (x << 25) & MASK
        x ^= x >> 27
        words.append((x * 0x2545F4914F6CDD1D & MASK).to_bytes(8, "little"))
    return b"".join(words)[:length]


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
    expected = hashlib.sha256(payload(9, 0, length)).hexdigest()
    for end in (sent, received):
        assert [(flow["bytes"], flow["sha256"]) for flow in end["flows"]] == [(length, expected)]


def test_flows_differ_and_match_by_port(folder: Path) -> None:
    sent, received = stream(folder, "127.0.0.1", 8, 10_000, seed=3)

    def by_port(end: dict[str, Any]) -> dict[int, str]:
        return {flow["port"]: flow["sha256"] for flow in end["flows"]}

    assert by_port(sent) == by_port(received)
    expected = [hashlib.sha256(payload(3, n, 10_000)).hexdigest() for n in range(8)]
    assert [flow["sha256"] for flow in sent["flows"]] == expected


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
