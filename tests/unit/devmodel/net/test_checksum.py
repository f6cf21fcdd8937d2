# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmodel.net.checksum import checksum, ones_sum, pseudo_header
from devmodel.net.toeplitz import toeplitz

# Microsoft, "Verifying the RSS hash calculation": destination, its port, source, its port,
# hash of the addresses, hash with ports
KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)
IPV4 = [
    ("161.142.100.80", 1766, "66.9.149.187", 2794, 0x323E8FC2, 0x51CCC178),
    ("65.69.140.83", 4739, "199.92.111.2", 14230, 0xD718262A, 0xC626B0EA),
    ("12.22.207.184", 38024, "24.19.198.95", 12898, 0xD2D0A5DE, 0x5C2B394A),
    ("209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xAFC7327F),
    ("202.188.127.2", 1303, "153.39.163.191", 44251, 0x5D1809C5, 0x10E828A2),
]
IPV6 = [
    ("3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2CC18CD5, 0x40207D3D),
    ("ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0F0C461C, 0xDDE51BBF),
    ("fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251,
     0x4B61E985, 0x02D1FEEF),
]  # fmt: skip


def by_words(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"<{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=70), st.integers(1, 130))
def test_sum_equals_sum_by_words(data: bytes, repeat: int) -> None:
    data = data * repeat
    assert ones_sum(memoryview(data)) == by_words(data) % 65535


@given(st.binary(min_size=1, max_size=40), st.integers(0, 1 << 20))
def test_a_stored_checksum_makes_the_sum_zero(data: bytes, initial: int) -> None:
    if len(data) % 2:
        data += b"\0"
    stored = data + struct.pack("<H", checksum(data, initial))
    assert ones_sum(stored, initial) == 0


@pytest.mark.parametrize(
    ("data", "value"), [(b"\0\0", 0xFFFF), (b"\xff\xff", 0), (b"\1\0", 0xFFFE)]
)
def test_both_zeros_of_ones_complement(data: bytes, value: int) -> None:
    assert checksum(data) == value


def test_pseudo_header_of_more_than_64_kib_carries() -> None:
    assert pseudo_header(6, 0x12345) == (6 + 0x2345 + 1) << 8


@pytest.mark.parametrize("vector", IPV4 + IPV6)
def test_toeplitz_vectors(vector: tuple[str, int, str, int, int, int]) -> None:
    destination, dport, source, sport, ip_only, with_ports = vector
    addresses = ip_address(source).packed + ip_address(destination).packed
    assert toeplitz(KEY, addresses) == ip_only
    assert toeplitz(KEY, addresses + struct.pack(">HH", sport, dport)) == with_ports


def test_toeplitz_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match="key of 39"):
        toeplitz(KEY[:39], b"")
    with pytest.raises(ValueError, match="input of 37"):
        toeplitz(KEY, bytes(37))
