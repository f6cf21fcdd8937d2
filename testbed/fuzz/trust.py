# SPDX-License-Identifier: GPL-2.0-only
"""What a run's injections leave to be judged: a card that lies is to blame for what follows.

A firmware that refuses, a wire that loses frames and a card that is late are honest: nothing of
what they say is wrong, and the driver has no excuse. Whoever lies about memory takes the verdicts
on memory away, and so on. What is left is always the kernel's own word for what it did wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

_LETS_GO = re.compile(r"FREE|CLEAR|UNRGTR|UPDATE|RESET|IF_CHANGE|TIMEOUT")
"""Commands whose refusal leaves the card with what the driver is through with."""

_GONE = frozenset({"unplug", "replug", "power", "flr"})
STATE_LOST = _GONE | {"func_reset", "fw_restart", "health", "msix_mask", "async_event"}
_HARMLESS = frozenset({"link", "partner", "irq", "frame", "grant"})
_WILD = frozenset(
    {"write_never_posted", "write_after_completion", "write_after_free", "write_outside_buffer"}
)
TIMED_OUT = re.compile(
    r"Error \(timeout: \d+\)|Resp cmpl intr err|[Aa]bandoning msg|Firmware not responding"
)
"""What the driver logs if a command was carried out, perhaps, and it does not know."""

_RINGS = {1: "TX", 2: "RX", 4: "RX_AGG"}
"""RING_FREE_REQ_RING_TYPE_* -> name in the trace, of rings with descriptors."""
_NQ = 5
"""RING_FREE_REQ_RING_TYPE_NQ."""
_MEMORY_REUSED = "descriptor_changed"

_FREES_MEMORY = {"51": "RING_FREE", "b1": "STAT_CTX_FREE"}
_COMES = "VER_GET", 0
"""What a driver asks first, and its sequence number. What it says as it goes may be lost."""
_COMES_LATE = frozenset(
    (point, action) for point in ("hwrm.answer", "hwrm.request") for action in ("hold", "duplicate")
)
"""Of a command that is held, or comes again, the answer comes late as well."""
_TOLD_BEHIND = "hwrm.request", "duplicate"
"""Where the trace has the command itself behind the fault. It has it before a fault in its answer,
and one that is held when it comes."""
_STATISTICS = "STAT_CTX_ALLOC"
"""The card writes there by itself from then on, whatever the driver has heard of it."""
_OF_RESOURCES = "FUNC_RESOURCE_QCAPS"
"""Whoever refuses this command is taken for firmware of which only transmit rings are reserved
(BNXT_FW_CAP_NEW_RM in bnxt.h); the card goes on to count all that is reserved."""
RESULTS_IN_MEMORY = {
    "3c": "QUEUE_DSCP2PRI_QCFG", "cb": "FW_GET_STRUCTURED_DATA", "204": "PCIE_QSTATS",
    "ff10": "DBG_READ_DIRECT", "ff17": "DBG_COREDUMP_LIST", "ff19": "DBG_COREDUMP_RETRIEVE",
    "fff1": "NVM_GET_VARIABLE", "fffa": "NVM_GET_DIR_ENTRIES", "fffd": "NVM_READ",
}  # fmt: skip
"""Commands that name memory for their result, which the driver frees when they have ended."""
_STATISTICS_AT = "tx_stat_host_addr", "rx_stat_host_addr"
_RESULTS_OF_AN_OPEN = frozenset({"PORT_QSTATS", "PORT_QSTATS_EXT"})
"""Of these the memory goes as the interface closes, unless its interrupts stay."""
_OF_DIRECTORY = "NVM_GET_DIR_INFO"
"""Its answer says how much memory NVM_GET_DIR_ENTRIES is given."""
_VECTORS_AT, _VECTORS = 0xA2, 0x7FF
"""Where configuration space says how many MSI-X vectors the card has, less one: control word of its
capability (PCI Local Bus 3.0, 6.8.2.3)."""
_SAYS_REFUSED = frozenset({"error_code", "out.error_code"})
_GIVEN_UP = re.compile(r"(?:Error \(timeout: \d+\)|Abandoning) msg \{0x([0-9a-f]+) 0x([0-9a-f]+)\}")
_GIVEN_UP_UNNAMED = re.compile(r"Resp cmpl intr (?:err|abandoning) msg: 0x([0-9a-f]+)\b")
"""Of a command whose end a completion should have told: without its sequence number."""


@dataclass(frozen=True)
class Trust:
    """Which verdicts say something of the kernel.

    :ivar memory: complaints about memory: no DMA went where nobody wanted it.
    :ivar freed: complaints of whoever uses memory that the driver has freed, and of whoever follows
        a wild pointer: the card does not write there any more.
    :ivar dma: who owns which buffer.
    :ivar firmware: what the firmware has been told to allocate and free.
    :ivar reserved: whether what is allocated has been reserved before.
    :ivar data: what arrives is what was sent.
    :ivar room: complaints that there is no memory left: the driver makes room for no more vectors
        than the card has. bnxt_init_one() makes eight transmit queues for each, and each has a
        qdisc as the interface opens: 16384 for 2048 vectors, more than 400 MiB with uml-san.
    :ivar alive: with the faults disarmed and the driver bound again, traffic flows.
    """

    memory: bool = True
    freed: bool = True
    dma: bool = True
    firmware: bool = True
    reserved: bool = True
    data: bool = True
    room: bool = True
    alive: bool = True

    def __and__(self, other: Trust) -> Trust:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Trust(*(one and two for one, two in pairs))


FULL = Trust()
_LYING = Trust(dma=False, data=False)
_OF_FIRMWARE = Trust(dma=False, firmware=False)
_NOT_DONE = frozenset({"refuse", "skip"})


def trust_in(injections: Iterable[Mapping[str, Any]]) -> Trust:
    """What is left after these records of kind ``fault`` of the card's trace."""
    left = FULL
    for record in injections:
        left &= _after(record)
    return left


def without_wild_writes(trust: Trust, rules: Iterable[str]) -> Trust:
    """The same, unless the card has broken one of ``rules`` by writing where it must not."""
    return trust & Trust(memory=False, dma=False) if _WILD & set(rules) else trust


def without_memory_kept(
    trust: Trust,
    injections: Iterable[Mapping[str, Any]],
    trace: Iterable[Mapping[str, Any]],
    log: str,
) -> Trust:
    """The same, unless a command that frees a ring or statistics never came to the card, or came
    when the driver had given up on it. It then frees the memory, as __bnxt_close_nic() does
    whatever the firmware says, and the card goes on writing there."""
    kept = Trust(memory=False, dma=False)
    injections = list(injections)
    given_up, unnamed = _given_up(log, _FREES_MEMORY)
    if any(one in given_up or one[0] in unnamed for one in map(_command_kept_back, injections)):
        return trust & kept
    if not any(map(_loses_a_command, injections)):
        return trust
    if unnamed and any(one["point"] == "dma.read" for one in filter(_loses_a_command, injections)):
        return trust & kept
    done = {(one["cmd"], one.get("seq")) for one in trace if one["k"] == "hwrm"}
    return trust & kept if given_up - done else trust


def without_rings_kept(trust: Trust, trace: Iterable[Mapping[str, Any]]) -> Trust:
    """The same, unless firmware that refused to free a ring went on with it and found that its
    memory is used for something else: what it takes for a buffer's address is anybody's, and what
    it writes to may be any program's."""
    kept: set[tuple[str, int]] = set()
    not_done = -1
    for one in trace:
        match one["k"]:
            case "fault" if one["point"] == "hwrm.request" and _NOT_DONE & {*one["changed"]}:
                not_done = one["event"].get("seq_id", -1)
            case "hwrm" if one.get("seq") == not_done:
                not_done = -1  # the next driver counts from the beginning
                if one["cmd"] == "RING_FREE":
                    kept.add(_ring_of(one["req"]))
            case "hwrm" if one["cmd"] == "RING_ALLOC" and one["error"] == "SUCCESS":
                new = one["resp"].get("ring_id", 0)
                kept = {(kind, ring) for kind, ring in kept if ring != new}
            case "hwrm" if one["cmd"] == "RING_FREE":
                kept.discard(_ring_of(one["req"]))
            case "reset":
                kept.clear()
            case "hwrm" if one["cmd"] == "FUNC_RESET" and one["error"] == "SUCCESS":
                kept.clear()
            case "violation" if one["rule"] == _MEMORY_REUSED:
                if (one["ring"], one["id"]) in kept:
                    return trust & Trust(memory=False, dma=False, alive=False)
    return trust


def _is_nq(request: Mapping[str, Any]) -> bool:
    """Of the rings that are freed as the interface closes the last."""
    return bool(request.get("ring_type") == _NQ)


def _ring_of(request: Mapping[str, Any]) -> tuple[str, int]:
    return _RINGS.get(request.get("ring_type", 0), ""), request.get("ring_id", 0)


def without_late_answers(trust: Trust, trace: Iterable[Mapping[str, Any]]) -> Trust:
    """The same, unless an answer or its command was held, or it came again, so late that there was
    another driver, which lets the card write. It goes to memory of which
    bnxt_free_hwrm_resources() has got rid; no firmware that has been reset since sends it."""
    held: list[tuple[str, int]] = []  # fault, and how many drivers came since; -1 before its own
    for one in trace:
        match one["k"]:
            case "fault" if (how := (one["point"], one["action"])) in _COMES_LATE:
                event = one["event"]
                first = (event.get("cmd"), event.get("seq_id")) == _COMES
                held.append((one["id"], -1 if first and how == _TOLD_BEHIND else 0))
            case "hwrm" if (one["cmd"], one.get("seq")) == _COMES:
                held = [(fault, drivers + 1) for fault, drivers in held]
            case "fault_late" if one["events"]:  # none if another fault had dropped it
                came = next((at for at in held if at[0] == one["id"]), None)
                if came is None:
                    continue
                held.remove(came)
                if came[1] > 0:
                    return trust & Trust(memory=False, dma=False)
    return trust


def without_late_results(trust: Trust, trace: Iterable[Mapping[str, Any]], log: str) -> Trust:
    """The same, unless a command that has the card write its result to memory came once more behind
    its end, when the driver had given up on it, or when the interface had been closed since and has
    not been told of that memory again: it is anybody's by then."""
    given_up, unnamed = _given_up(log, RESULTS_IN_MEMORY)
    late: set[str] = set()
    of_open: dict[str, Any] = {}  # fault -> command and its memory
    of_closed: dict[str, Any] = {}
    for one in trace:
        if one["k"] == "fault" and one["point"] == "hwrm.request":
            cmd, seq = one["event"].get("cmd"), one["event"].get("seq_id")
            lost = cmd in unnamed or (cmd, seq) in given_up
            if cmd in RESULTS_IN_MEMORY.values() and (
                one["action"] == "duplicate" or (one["action"] == "hold" and lost)
            ):
                late.add(one["id"])
            elif cmd in _RESULTS_OF_AN_OPEN and one["action"] in ("duplicate", "hold"):
                where = {name: one["event"].get(f"req.{name}", 0) for name in _STATISTICS_AT}
                of_open[one["id"]] = cmd, where
        elif one["k"] == "hwrm" and one["cmd"] == "RING_FREE" and _is_nq(one["req"]):
            of_closed |= of_open
            of_open.clear()
        elif one["k"] == "hwrm" and one["cmd"] in _RESULTS_OF_AN_OPEN:
            where = {name: one["req"].get(name, 0) for name in _STATISTICS_AT}
            again = {fault for fault, of in of_closed.items() if of == (one["cmd"], where)}
            of_open |= {fault: of_closed.pop(fault) for fault in again}
        elif one["k"] == "fault_late" and one["events"] and one["id"] in {*late, *of_closed}:
            return trust & Trust(memory=False, dma=False)
    return trust


def _given_up(log: str, names: Mapping[str, str]) -> tuple[set[tuple[str, int]], set[str]]:
    """Of commands ``names`` (by their codes in hex): those that the driver gave up on, with their
    sequence numbers, and those of which it does not say which one it was."""
    found = {(names[cmd], int(seq, 16)) for cmd, seq in _GIVEN_UP.findall(log) if cmd in names}
    return found, {names[cmd] for cmd in _GIVEN_UP_UNNAMED.findall(log) if cmd in names}


def _command_kept_back(record: Mapping[str, Any]) -> tuple[str, int]:
    """Name and sequence number of a command that the card got late or never; of none empty and 0.

    One that is held for less than its time-out may be named beside another that is given up.
    """
    if record["point"] != "hwrm.request" or record["action"] not in ("hold", "drop"):
        return "", 0
    return str(record["event"].get("cmd")), int(record["event"].get("seq_id", 0))


def _loses_a_command(record: Mapping[str, Any]) -> bool:
    if record["point"] == "dma.read":
        return bool(record["event"].get("purpose") == "hwrm")
    return bool((record["point"], record["action"]) == ("hwrm.request", "drop"))


def _after(record: Mapping[str, Any]) -> Trust:
    point, action = str(record["point"]), str(record["action"])
    event, changed = record["event"], record["changed"]
    if action not in ("set", "drop", "duplicate", "hold"):
        return _after_card_action(action)
    if not event:  # another fault had dropped it already
        return FULL
    match point:
        case "irq.raise" | "rx.steer":
            return FULL
        case "rx.frame" | "tx.frame":
            return Trust(data=action != "set")
        case "hwrm.request":
            if (
                action == "set"
                and event["cmd"] in _FREES_MEMORY.values()
                and _NOT_DONE & {*changed}
            ):
                return _OF_FIRMWARE & Trust(freed=False)  # the driver frees it all the same
            if action == "duplicate" and event["cmd"] == _STATISTICS:
                return _OF_FIRMWARE & Trust(freed=False)  # it hears of one at most
            refused = action == "set" and set(changed) == {"refuse"}
            if refused and event["cmd"] == _OF_RESOURCES:
                return Trust(reserved=False)
            return FULL if refused and not _LETS_GO.search(str(event["cmd"])) else _OF_FIRMWARE
        case "hwrm.answer" if event.get("cmd") == _STATISTICS and _SAYS_REFUSED & {*changed}:
            return _OF_FIRMWARE & Trust(freed=False)  # it frees what the card goes on writing to
        case "hwrm.answer" if event.get("cmd") == "RING_ALLOC" and _names_another(event, changed):
            return _OF_FIRMWARE & Trust(freed=False)  # it frees that one, and the card has its own
        case "hwrm.answer" if event.get("cmd") == _OF_DIRECTORY and _shrinks(event, changed):
            return _OF_FIRMWARE & Trust(memory=False)  # all of it goes where part has room
        case "config.read" if _tells_of_more_vectors(event, changed):
            return _OF_FIRMWARE & Trust(room=False)
        case "hwrm.answer" | "register.read" | "config.read":
            return _OF_FIRMWARE
        case "dma.write":
            wild = action == "hold" or "iova" in changed or _longer(event, changed)
            return Trust(memory=not wild, dma=False, firmware=False, data=False)
        case "dma.read":
            return Trust(dma=False, firmware=False, data=False)
        case "cqe.write" | "nqe.write" if event.get("type") == "HWRM_DONE":
            return _OF_FIRMWARE
        case "nqe.write" if action == "hold":
            return FULL
    return _LYING


def _tells_of_more_vectors(event: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    """Whether the host reads of more MSI-X vectors than there are."""
    behind = _VECTORS_AT - event["offset"]
    if not 0 <= behind < event["length"]:
        return False
    there, told = (
        value >> 8 * behind & _VECTORS
        for value in (event["value"], changed.get("value", event["value"]))
    )
    return bool(told > there)


def _names_another(event: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    """Whether the answer tells of another ring than the one that was allocated."""
    name = "out.ring_id"
    return name in changed and changed[name] != event.get(name)


def _shrinks(event: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    """Whether the directory of the flash has fewer bytes than it has."""
    sizes = "out.entries", "out.entry_length"
    was = prod(int(event.get(name, 0)) for name in sizes)
    return prod(int(changed.get(name, event.get(name, 0))) for name in sizes) < was


def _longer(event: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    return int(changed.get("length", 0)) > int(event.get("length", 0))


def _after_card_action(action: str) -> Trust:
    if action in _HARMLESS:
        return FULL
    if action == "dma_write":
        return Trust(memory=False, dma=False, firmware=False, data=False)
    if action in STATE_LOST:
        return Trust(dma=False, firmware=False, alive=action not in _GONE)
    return _LYING
