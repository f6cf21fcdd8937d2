# SPDX-License-Identifier: GPL-2.0-only
"""The injection points and card actions of this card; what every function has is devmodel.pci's.

Adding a point takes an entry here and a call of
:meth:`devmodel.faults.engine.FaultEngine.pass_on` (or ``consult``) where the event passes; adding
an action takes an entry here and a method in :mod:`devmodel.bnxt.faulty.actions`.
"""

from __future__ import annotations

import enum

from devmodel.bnxt.firmware import GRANTED
from devmodel.bnxt.phy import Fec, Mode, Negotiates, Pause
from devmodel.faults.points import (
    ALL,
    CHANGE,
    Action,
    CardAction,
    FaultRegistry,
    Field,
    Param,
    Point,
)
from devmodel.pci.fault_actions import FUNCTION_ACTIONS
from devmodel.pci.fault_points import CONFIG_READ, IRQ_RAISE, dma_points, register_read

_ENTRY = (
    Field("type", "str", "name of CmplType (RX_L2, RX_AGG, RX_TPA_START, ...)", settable=True),
    Field("ring_id", "int", "the ring it goes to", settable=True),
    Field("index", "int", "entries ever written to the ring before it"),
    Field("flip_phase", "bool", "valid bit inverted", settable=True),
    Field("advance", "bool", "False: the entry is overwritten by the next one", settable=True),
)

_POINTS = (
    *dma_points(
        purposes=(
            "payload",
            "header",
            "cqe",
            "nqe",
            "bd",
            "page_table",
            "stats",
            "context",
            "hwrm",
            "indirect",
        ),
        rings=("RX", "RX_AGG", "TX", "CQ", "NQ"),
    ),
    Point(
        "cqe.write",
        "A completion goes into a completion ring: both halves of RX_L2, RX_TPA_START and "
        "RX_TPA_END as one event, each RX_AGG and RX_TPA_AGG as one of its own.",
        _ENTRY,
        ALL,
        "all fields and bit fields of the entry (devmodel/bnxt/hsi/ring.py), and `opaque`",
    ),
    Point(
        "nqe.write",
        "An entry goes into a notification queue. Its interrupt comes all the same (irq.raise).",
        _ENTRY,
        ALL,
        "all fields of nqe_cn or hwrm_async_event_cmpl",
    ),
    IRQ_RAISE,
    Point(
        "doorbell.write",
        "The driver rings a doorbell.",
        (
            Field("type", "str", "name of DbType (SQ, SRQ, CQ_ARMALL, NQ_ARM, ...)"),
            Field("ring_id", "int", "the ring it is for", settable=True),
            Field("index", "int", "producer or consumer index", settable=True),
        ),
        ALL,
    ),
    register_read(0),
    CONFIG_READ,
    Point(
        "hwrm.request",
        "The firmware takes a request.",
        (
            Field("cmd", "str", "name of the command (RING_FREE, ...)"),
            Field("seq_id", "int", "its sequence number"),
            Field("refuse", "int", "error code to answer without executing it", settable=True),
            Field("skip", "bool", "answer it as done without executing it", settable=True),
        ),
        ALL,
        "`req.<field>`: all fields of the request's structure (settable)",
    ),
    Point(
        "hwrm.answer",
        "The firmware answers a request it has executed.",
        (
            Field("cmd", "str", "name of the command"),
            Field("error_code", "int", "answered error", settable=True),
            Field("seq_id", "int", "answered sequence number", settable=True),
            Field("resp_len", "int", "answered length", settable=True),
            Field("valid", "int", "last byte of the answer", settable=True),
            Field("fill", "int", "every byte of the body, -1 for none", settable=True),
            Field("cmpl", "bool", "HWRM_DONE follows where requested", settable=True),
            Field("write", "bool", "the answer is written to memory", settable=True),
        ),
        ALL,
        "`req.<field>` of the request and `out.<field>` of the answer (settable)",
    ),
    Point(
        "rx.frame",
        "A frame comes off the wire.",
        (
            Field("length", "int", "bytes; less truncates", settable=True),
            Field("ethertype", "int", "0x0800, 0x86dd, ..."),
            Field("protocol", "int", "IP protocol, -1 without"),
            Field("sport", "int", "source port, -1 without"),
            Field("dport", "int", "destination port, -1 without"),
            Field("tcp_payload", "int", "bytes of TCP payload, 0 without"),
            Field("tcp_again", "bool", "TCP payload below what its connection has sent before"),
            Field("xor_at", "int", "offset of a byte to invert, -1 for none", settable=True),
        ),
        ALL,
    ),
    Point(
        "rx.steer",
        "A frame has been given a queue.",
        (
            Field("protocol", "int", "IP protocol, -1 without"),
            Field("sport", "int", "source port, -1 without"),
            Field("dport", "int", "destination port, -1 without"),
            Field("queue", "int", "rank of the receive queue (0, 1, ...)", settable=True),
        ),
        CHANGE,
    ),
    Point(
        "rx.place",
        "A steered packet is about to be written to its buffers.",
        (
            Field("queue", "int", "rank of the receive queue"),
            Field("length", "int", "bytes placed; less cuts the end off", settable=True),
            Field("payload", "int", "offset of the upper-layer payload"),
            Field("first", "int", "bytes that go to the RX (header) buffer", settable=True),
            Field("agg_from", "int", "offset of the first byte for the agg ring", settable=True),
            Field("placement", "int", "0 normal, 1 jumbo, 2 header-data split", settable=True),
            Field(
                "completion_length", "int", "length in the completion, -1: true one", settable=True
            ),
        ),
        CHANGE,
    ),
    Point(
        "tx.frame",
        "A frame goes out on the wire.",
        (
            Field("length", "int", "bytes; less truncates", settable=True),
            Field("xor_at", "int", "offset of a byte to invert, -1 for none", settable=True),
        ),
        ALL,
    ),
    Point(
        "tpa.timeout",
        "The time of an aggregation (TPA) is over and it ends. If it does not, it stays open until "
        "a segment, a limit or a barrier ends it.",
        (
            Field("queue", "int", "rank of the receive queue"),
            Field("agg_id", "int", "number of the aggregation"),
            Field("segments", "int", "segments so far"),
            Field("bytes", "int", "their payload"),
        ),
        (Action.DROP, Action.HOLD, Action.CARD),
    ),
)


def _names(settings: type[enum.Enum]) -> tuple[str, ...]:
    """Those of a setting, which may also stay as it is."""
    return ("", *(str(one.value) for one in settings))


_ACTIONS = (
    *FUNCTION_ACTIONS,
    CardAction(
        "async_event",
        "Send an asynchronous event, whether the driver registered for it or not.",
        {
            "event_id": Param("int", "ASYNC_EVENT_CMPL_EVENT_ID_*", 0),
            "data1": Param("int", "event_data1", 0),
            "data2": Param("int", "event_data2", 0),
        },
    ),
    CardAction(
        "health",
        "Value of the firmware status register (0x8000 is healthy).",
        {"fw_status": Param("int", "the register", 0x8000)},
    ),
    CardAction("func_reset", "The firmware forgets all resources, as after FUNC_RESET.", {}),
    CardAction(
        "fw_restart",
        "The firmware restarts: all state is lost, and FUNC_DRV_IF_CHANGE reports it.",
        {},
    ),
    CardAction(
        "grant",
        "The function may have another number of a resource, as when another one takes some or "
        "gives them back: told as the interface opens next (RESC_CHANGE of FUNC_DRV_IF_CHANGE), "
        "and then the driver has to reserve anew; or found by one that begins with FUNC_RESET.",
        {
            "what": Param("str", "a resource; of each if empty", "", ("", *GRANTED)),
            "most": Param("int", "how many it may have of all there are; -1 for all", -1),
        },
    ),
    CardAction(
        "partner",
        "The port at the other end of the cable is set anew (docs/port.md).",
        {
            "autoneg": Param("str", "as it is if empty", "", _names(Negotiates)),
            "speed": Param("str", "what it is forced to; as it is if empty", "", _names(Mode)),
            "fec": Param("str", "as it is if empty", "", _names(Fec)),
            "pause": Param("str", "as it is if empty", "", _names(Pause)),
        },
    ),
    CardAction(
        "pulse",
        "A pulse arrives at a PPS pin; the driver is told if it has made that pin an input.",
        {"pin": Param("int", "number of the pin, 0..3", 0)},
    ),
    CardAction(
        "cqe",
        "Write an entry nobody expects into a completion ring.",
        {
            "queue": Param("int", "rank of the receive queue whose ring it is", 0),
            "type": Param("str", "of the entry, a name of CmplType or a number", "RX_L2"),
            "fields": Param("table", "fields of the entry", {}),
            "notify": Param("bool", "notify the host", True),
        },
    ),
    CardAction(
        "nqe",
        "Notify the host of a completion ring, whether it has entries or not.",
        {
            "queue": Param("int", "rank of the receive queue", 0),
            "cq_handle": Param("int", "handle to write, -1 for the true one", -1),
        },
    ),
)

FAULTS = FaultRegistry(_POINTS, _ACTIONS)
