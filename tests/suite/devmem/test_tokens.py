# SPDX-License-Identifier: GPL-2.0-only
"""Tokens: what the kernel takes back (SO_DEVMEM_DONTNEED), and what it does not."""

from __future__ import annotations

import pytest

from testbed.dut.devmem import DevmemSetup
from testbed.dut.protocols import Capability

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT)

COUNT = 30_000
TOKENS_A_CALL = 128
FRAGMENTS_A_CALL = 1024
NEVER_GIVEN = 1_000_000
TOKEN_BYTES = 8


def tokens_of(bench: DevmemSetup, name: str = "flow") -> list[int]:
    """Tokens of COUNT bytes received."""
    bench.send(COUNT, name=name)
    return [fragment["token"] for fragment in bench.fragments(COUNT, name=name)]


def dontneed(bench: DevmemSetup, *words: str, name: str = "flow") -> int | str:
    """How many fragments the kernel took, or its errno."""
    answer = bench.console.attempt(f"dontneed {name} {' '.join(words)}")
    error: str | None = answer.get("error")
    return error or int(answer["taken"])


def test_each_is_taken_once(bench: DevmemSetup) -> None:
    """One is taken, and not a second time."""
    bench.bind_and_connect()
    for token in tokens_of(bench):
        assert dontneed(bench, f"{token}:1") == 1
        assert dontneed(bench, f"{token}:1") == 0


def test_the_same_twice_in_one_call(bench: DevmemSetup) -> None:
    """A token named twice, or within a range once more, counts once."""
    bench.bind_and_connect()
    first, second, *_ = tokens_of(bench)
    assert dontneed(bench, f"{first}:1", f"{first}:1", f"{first}:2") == 1 + (second == first + 1)


def test_ranges(bench: DevmemSetup) -> None:
    """A range takes what it names, no more, however far it reaches."""
    bench.bind_and_connect()
    tokens = sorted(tokens_of(bench))
    assert tokens == list(range(tokens[0], tokens[0] + len(tokens)))
    assert dontneed(bench, f"{tokens[0]}:2") == 2
    assert dontneed(bench, f"{tokens[0]}:{len(tokens) + 500}") == len(tokens) - 2


def test_tokens_never_given(bench: DevmemSetup) -> None:
    """Nothing is taken for them, and those that were given are still good."""
    bench.bind_and_connect()
    tokens = tokens_of(bench)
    assert dontneed(bench, f"{NEVER_GIVEN}:1") == 0
    assert dontneed(bench, f"{max(tokens) + 1}:100") == 0
    assert dontneed(bench, "4294967290:5") == 0
    assert dontneed(bench, f"{tokens[0]}:0") == 0
    assert bench.console.do("return flow")["taken"] == len(tokens)


def test_tokens_of_another_socket(bench: DevmemSetup) -> None:
    """A socket cannot give back what another holds."""
    bench.bind()
    bench.connect("owner")
    bench.connect("stranger")
    tokens = tokens_of(bench, "owner")
    assert dontneed(bench, *(f"{token}:1" for token in tokens), name="stranger") == 0
    assert bench.console.do("return owner")["taken"] == len(tokens)


def test_too_many_tokens_in_a_call(bench: DevmemSetup) -> None:
    """128 tokens a call; one more is an error, and takes nothing."""
    bench.bind_and_connect()
    tokens = tokens_of(bench)
    words = [f"{token}:1" for token in tokens]
    fill = [f"{NEVER_GIVEN}:1"] * (TOKENS_A_CALL - len(words))
    assert dontneed(bench, *words, *fill, f"{NEVER_GIVEN}:1") == "EINVAL"
    assert dontneed(bench, *words, *fill) == len(tokens)


def test_too_many_fragments_in_a_call(bench: DevmemSetup) -> None:
    """After 1024 fragments the kernel stops; the rest is good for the next call."""
    bench.bind_and_connect()
    first, *rest = tokens_of(bench)
    assert dontneed(bench, f"{NEVER_GIVEN}:{FRAGMENTS_A_CALL}", f"{first}:1") == 0
    assert dontneed(bench, f"{NEVER_GIVEN}:{FRAGMENTS_A_CALL - 1}", f"{first}:2") == 1
    assert bench.console.do("return flow")["taken"] == len(rest)


@pytest.mark.parametrize("surplus", [1, TOKEN_BYTES - 1])
def test_half_a_token(bench: DevmemSetup, surplus: int) -> None:
    """An option that is no whole number of tokens long is an error, and takes nothing."""
    bench.bind_and_connect()
    tokens = tokens_of(bench)
    assert dontneed(bench, f"{tokens[0]}:1", f"+{surplus}") == "EINVAL"
    assert bench.console.do("return flow")["taken"] == len(tokens)


def test_sockets_without_tokens(bench: DevmemSetup) -> None:
    """A datagram socket has none to return, a connection that never saw device memory neither."""
    bench.console.do(f"udp datagrams {bench.dut.ipv4} {bench.where.port}")
    assert dontneed(bench, "1:1", name="datagrams") == "EBADF"
    bench.connect()
    assert dontneed(bench, "1:1") == 0


def test_tokens_held_at_close(bench: DevmemSetup) -> None:
    """What was not given back is, when the socket closes: nothing keeps the page pool."""
    bench.bind_and_connect()
    assert tokens_of(bench)
    bench.console.do("close flow")
    bench.unbind()
