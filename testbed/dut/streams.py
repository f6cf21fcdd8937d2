# SPDX-License-Identifier: GPL-2.0-only
"""Verified TCP streams to the device under test, received by zero copy or by socket."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from testbed.dut.mismatch import Differences, describe
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint, Running
from testbed.errors import GuestCommandFailed, GuestTimeout

MIB = 1 << 20
ENDLESS = 1 << 40
"""Bytes of a stream that somebody stops."""
START_GRACE_S = 20.0
STREAM_TIMEOUT_S = 180.0  # generous: an emulated guest on a busy host is slow, not wrong


@dataclass(frozen=True)
class Flow:
    """One direction of one TCP connection, as one end saw it."""

    port: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Stream:
    """What both ends say about the same flows. ``seconds`` is the receiver's measure.

    ``differs``: by port what the receiver saw differ from the stream of ``seed``.
    """

    sent: tuple[Flow, ...]
    received: tuple[Flow, ...]
    seconds: float
    differs: Mapping[int, Differences] = field(default_factory=dict, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    @property
    def bytes(self) -> int:
        """Bytes received over all flows."""
        return sum(flow.bytes for flow in self.received)

    @property
    def is_equal(self) -> bool:
        """Whether each flow has the same length and SHA-256 at both ends."""
        return bool(self.sent) and set(self.sent) == set(self.received)

    def difference(self) -> str:
        """The flows that differ, for a failure message; empty if none does."""
        received = {flow.port: flow for flow in self.received}
        parts = []
        sent = [flow.bytes for flow in self.sent]
        for number, flow in enumerate(self.sent):
            other = received.get(flow.port)
            if other is None:
                parts.append(f"port {flow.port}: not received")
            elif other != flow:
                parts.append(
                    f"port {flow.port}: sent {flow.bytes} bytes {flow.sha256[:12]}, "
                    f"received {other.bytes} bytes {other.sha256[:12]}"
                )
                if flow.port in self.differs:
                    where = self.differs[flow.port]
                    parts[-1] += f", {describe(where, self.seed, number, sent)}"
        return "; ".join(parts)


@dataclass(frozen=True)
class ZcrxStream(Stream):
    """A stream received by zero copy, with the kernel's accounting.

    ``copied_bytes`` is ``struct zcrx_stats.copy_bytes`` (None: this kernel has none);
    ``outstanding`` are buffer references the client did not give back; ``left_in_refill_ring``
    those the kernel did not take (None: it cannot be asked to, and takes them at close).
    """

    copied_bytes: int | None
    outstanding: int
    left_in_refill_ring: int | None
    completions: int
    rx_buf_len: int
    alloc_failed: bool

    @property
    def every_buffer_returned(self) -> bool:
        """Whether client and kernel agree that no buffer is out."""
        return self.outstanding == 0 and not self.left_in_refill_ring


def flows_of(result: Mapping[str, Any]) -> tuple[Flow, ...]:
    """What a program printed of its flows."""
    return tuple(Flow(flow["port"], flow["bytes"], flow["sha256"]) for flow in result["flows"])


def differences_of(result: Mapping[str, Any]) -> dict[int, Differences]:
    """What a receiver printed of how its flows differ, by port."""
    found = {flow["port"]: Differences.of(flow) for flow in result["flows"]}
    return {port: differences for port, differences in found.items() if differences is not None}


def _exchange(
    receiver: Running, remote: Endpoint, sender_argv: Sequence[str], timeout_s: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the sender against a receiver that was started, and collect both results.

    If the receiver refused to start, its message is what the reader needs, not the sender's.
    """
    try:
        sent = remote.run(sender_argv, check=False, timeout_s=timeout_s + START_GRACE_S)
    except GuestTimeout:
        receiver.kill().check()
        raise
    if sent.returncode != 0:
        receiver.kill().check()
        sent.check()
    received = receiver.wait(timeout_s)
    return result_of(sent), result_of(received)


def _sender(
    end: Endpoint, address: str, port: int, flows: int, total_bytes: int, seed: int,
    timeout_s: float,
) -> list[str]:  # fmt: skip
    return [
        program("stream_tx"), address, str(port), "--flows", str(flows),
        "--bytes", str(total_bytes // flows), "--seed", str(seed), *timeout_words(end, timeout_s),
    ]  # fmt: skip


def timeout_words(end: Endpoint, timeout_s: float) -> list[str]:
    """The option of all our programs; an end that is slow has patience."""
    return ["--timeout", f"{timeout_s * end.patience:.0f}"]


def local_address(dut: Dut, version: int) -> str:
    """The address of ``dut`` of IP ``version`` 4 or 6."""
    return dut.ipv4 if version == 4 else dut.ipv6


def receive_by_zcrx(
    dut: Dut,
    remote: Endpoint,
    *,
    queue: int,
    port: int,
    total_bytes: int,
    netdev: str = "",
    flows: int = 1,
    seed: int = 1,
    ip_version: int = 4,
    area_bytes: int = 8 * MIB,
    rx_buf_len: int = 0,
    timeout_s: float = STREAM_TIMEOUT_S,
) -> ZcrxStream:
    """Send ``total_bytes`` over ``flows`` TCP connections and receive them by zcrx on ``queue``.

    The port must be steered to the queue, which may be called by one of another device ``netdev``
    that it is leased to. Raises GuestCommandFailed, GuestTimeout.
    """
    address = local_address(dut, ip_version)
    receiver = dut.start(
        [
            program("zcrx_rx"), netdev or dut.netdev, str(queue), address, str(port),
            "--flows", str(flows), "--area", str(area_bytes),
            "--rx-buf-len", str(rx_buf_len), "--seed", str(seed), *timeout_words(dut, timeout_s),
        ]
    )  # fmt: skip
    sender = _sender(remote, address, port, flows, total_bytes, seed, timeout_s)
    sent, received = _exchange(receiver, remote, sender, timeout_s)
    return ZcrxStream(
        sent=flows_of(sent), received=flows_of(received), seconds=received["seconds"],
        copied_bytes=received["copy_bytes"], outstanding=received["outstanding"],
        left_in_refill_ring=received["left_in_refill_ring"], completions=received["completions"],
        rx_buf_len=received["rx_buf_len"], alloc_failed=received["alloc_failed"],
        differs=differences_of(received), seed=seed,
    )  # fmt: skip


def receive_by_socket(
    dut: Endpoint,
    remote: Endpoint,
    *,
    port: int,
    total_bytes: int,
    flows: int = 1,
    seed: int = 1,
    address: str | None = None,
    timeout_s: float = STREAM_TIMEOUT_S,
) -> Stream:
    """The same through ordinary sockets; either end may be the receiver.

    Raises GuestCommandFailed, GuestTimeout.
    """
    with Traffic(
        dut, remote, port=port, flows=flows, most_bytes=total_bytes, seed=seed,
        address=address, timeout_s=timeout_s,
    ) as traffic:  # fmt: skip
        return traffic.finish()


class Transfer:
    """A receiver at ``dut`` and a sender at ``remote``, given as argument vectors.

    Leaving the block before :meth:`results` kills both.
    """

    def __init__(
        self,
        dut: Endpoint,
        remote: Endpoint,
        receiver: Sequence[str],
        sender: Sequence[str],
        timeout_s: float,
    ) -> None:
        self._remote = remote
        self._timeout_s = timeout_s
        self._receiver = dut.start(receiver)
        try:
            self._sender = remote.start(sender)
        except Exception:
            self._receiver.kill()
            raise
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._open = False
            self._sender.kill()
            self._receiver.kill()

    @property
    def receiver_pid(self) -> int:
        """Process id of the receiver at its end."""
        return self._receiver.pid

    def results(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Wait for the end of both; what sender and receiver printed.

        Raises GuestCommandFailed, GuestTimeout.
        """
        sender = self._sender.wait(self._timeout_s + START_GRACE_S)
        if sender.returncode != 0:
            # Of two broken ends the receiver's message is the cause more often, if it has one.
            receiver = self._receiver.kill()
            if receiver.returncode != -signal.SIGKILL:
                receiver.check()
            sender.check()
        receiver = self._receiver.wait(self._timeout_s)
        self._open = False
        return result_of(sender), result_of(receiver)


class Traffic(Transfer):
    """A verified stream through ordinary sockets that runs while something else happens.

    ``pace`` limits each flow to so many bytes per second. It ends when ``most_bytes`` are sent,
    after ``seconds``, or by :meth:`stop`. Leaving the block early kills both ends.
    """

    def __init__(
        self,
        dut: Endpoint,
        remote: Endpoint,
        *,
        port: int,
        flows: int,
        seconds: float | None = None,
        most_bytes: int = ENDLESS,
        pace: int = 0,
        seed: int = 1,
        address: str | None = None,
        timeout_s: float = STREAM_TIMEOUT_S,
    ) -> None:
        address = address or dut.ipv4
        sender = _sender(remote, address, port, flows, most_bytes, seed, timeout_s)
        if seconds is not None:
            sender += ["--seconds", f"{seconds:.0f}"]
        if pace:
            sender += ["--pace", str(pace)]
        receiver = [program("stream_rx"), address, str(port), "--flows", str(flows)]
        receiver += ["--seed", str(seed), *timeout_words(dut, timeout_s)]
        self._seed = seed
        super().__init__(dut, remote, receiver, sender, timeout_s)

    def check_running(self) -> None:
        """Raise GuestCommandFailed, with what the ends say, if the sender no longer sends."""
        if self._sender.poll() is not None:
            stream = self.finish()
            raise GuestCommandFailed(f"the traffic ended by itself after {stream.bytes} bytes")

    def stop(self) -> Stream:
        """Let the sender end its flows now, then :meth:`finish`."""
        self._remote.run(["kill", "-s", "TERM", str(self._sender.pid)])
        return self.finish()

    def finish(self) -> Stream:
        """Wait for the end of both. Raises GuestCommandFailed, GuestTimeout."""
        sent, received = self.results()
        return Stream(
            flows_of(sent), flows_of(received), received["seconds"],
            differs=differences_of(received), seed=self._seed,
        )  # fmt: skip


def require_equal(stream: Stream) -> None:
    """Raise GuestCommandFailed unless both ends have the same data."""
    if not stream.is_equal:
        raise GuestCommandFailed(f"data differs: {stream.difference() or 'no flow was sent'}")


def check_stream(
    dut: Endpoint,
    remote: Endpoint,
    *,
    port: int,
    total_bytes: int,
    flows: int = 1,
    address: str | None = None,
) -> None:
    """:func:`receive_by_socket`; raises GuestCommandFailed unless both ends have the same data."""
    require_equal(
        receive_by_socket(
            dut, remote, port=port, total_bytes=total_bytes, flows=flows, address=address
        )
    )
