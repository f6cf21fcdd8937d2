# SPDX-License-Identifier: GPL-2.0-only
"""HWRM requests and answers as events of the fault engine, and back."""

from __future__ import annotations

from typing import Protocol

from devmodel.bnxt.hsi.cmds import command_name
from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.faults.engine import FaultEngine
from devmodel.faults.rule import Event
from devmodel.layout import Layout

_HEADER_BYTES = HwrmOutput.SIZE


class Channel(Protocol):
    """The HWRM channel, seen from here."""

    def decode(self, request: bytes) -> HwrmInput:
        """The request as the structure of its command."""

    def execute(self, request: bytes, *, refuse: int = 0, skip: bool = False) -> None:
        """Execute and answer."""

    def write_answer(self, request: HwrmInput, data: bytes) -> bool:
        """Store the response."""

    def complete(self, request: HwrmInput, seq_id: int) -> None:
        """Post HWRM_DONE where asked."""


def _fields(prefix: str, message: Layout) -> Event:
    return {
        prefix + f.name: value
        for f in message.FIELDS
        if isinstance(value := getattr(message, f.name), int)
    }


def _change(prefix: str, message: Layout, before: Event, after: Event) -> None:
    """Set the fields in which ``after`` differs, cut to their width."""
    for f in message.FIELDS:
        value = after.get(prefix + f.name)
        if isinstance(value, int) and value != before.get(prefix + f.name):
            setattr(message, f.name, value & (1 << 8 * f.size) - 1)


def execute_faulty(faults: FaultEngine, channel: Channel, request: bytes) -> None:
    """Execute a request with faults armed."""
    decoded = channel.decode(request)
    event: Event = {
        "cmd": command_name(decoded.req_type),
        "seq_id": decoded.seq_id,
        "refuse": 0,
        "skip": False,
        **_fields("req.", decoded),
    }

    def perform(changed: Event) -> None:
        message = channel.decode(request)
        _change("req.", message, event, changed)
        data = message.pack()
        rest = request[len(data) :]
        channel.execute(data + rest, refuse=changed["refuse"] & 0xFFFF, skip=bool(changed["skip"]))

    faults.pass_on("hwrm.request", event, perform, None)


def answer_faulty(
    faults: FaultEngine, channel: Channel, request: HwrmInput, output: HwrmOutput
) -> None:
    """Answer a request with faults armed."""
    event: Event = {
        "cmd": command_name(request.req_type),
        "error_code": output.error_code,
        "seq_id": output.seq_id,
        "resp_len": output.resp_len,
        "valid": 1,
        "fill": -1,
        "cmpl": True,
        "write": True,
        **_fields("req.", request),
        **_fields("out.", output),
    }
    whole = output.pack()

    def perform(changed: Event) -> None:
        message = type(output).unpack(whole)
        _change("out.", message, event, changed)
        for name in ("error_code", "seq_id", "resp_len"):
            if changed[name] != event[name]:
                setattr(message, name, changed[name] & 0xFFFF)
        data = bytearray(message.pack())
        length = max(min(message.resp_len, len(data)), _HEADER_BYTES)
        if changed["fill"] >= 0:
            data[_HEADER_BYTES:] = bytes([changed["fill"] & 0xFF]) * (len(data) - _HEADER_BYTES)
            data[length - 1] = 1
        if length > _HEADER_BYTES and (changed["valid"] != 1 or length != len(data)):
            data[length - 1] = changed["valid"] & 0xFF
        there = not changed["write"] or channel.write_answer(request, bytes(data[:length]))
        if there and changed["cmpl"]:
            channel.complete(request, message.seq_id)

    faults.pass_on("hwrm.answer", event, perform, None)
