# SPDX-License-Identifier: GPL-2.0-only
"""SR-IOV as the firmware sees it: virtual functions (VFs), what each has, what it may.

A VF has a firmware view, resources and a DMA space of its own: no identifier that it can name is
another's. What all share are the port and its addresses, and those are judged here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from devmodel.bnxt.hsi.header import Err, HwrmInput
from devmodel.bnxt.hsi.ring import AsyncEvent
from devmodel.bnxt.hsi.vf import HwrmFwdReqCmpl
from devmodel.bnxt.identity import Identity, Limits
from devmodel.bnxt.nvm.board import Versions
from devmodel.bnxt.resources import Resources
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DevModelError, DmaFault
from devmodel.trace import Trace

FIRST_VF_FID = 128
FORWARD = Who("forward")
REQUEST_MEMORY = "requests of VFs"
"""RequestBuffers, as the ledger names them."""
_WORD_BITS = 32
_EXACT = b"\xff" * 6

SHARED = (
    "msix", "rsscos_ctx", "cmpl_rings", "tx_rings", "rx_rings", "l2_ctxs", "vnics", "stat_ctx",
    "hw_ring_grps",
)  # fmt: skip
"""What the functions share: fields of Limits, and of Reservation."""


class View(Protocol):
    """The firmware of one function, :class:`devmodel.bnxt.firmware.Firmware`."""

    identity: Identity
    running: Versions
    resources: Resources
    dma: DmaSpace
    trace: Trace
    mac: bytes
    async_nq: int | None
    member_of: Iov[Any] | None

    @property
    def reservation(self) -> object:
        """Counts by the names of SHARED."""
        ...

    def reset(self) -> None:
        """Drop every resource."""

    def refuse(self, rule: str, code: Err = ..., **detail: object) -> DevModelError:
        """Record that a rule was broken; the error that answers the command."""
        ...

    def link_changed(self, up: bool) -> None:
        """The link went up or down."""

    def post_event(self, event: AsyncEvent, *, data1: int = 0, data2: int = 0) -> bool:
        """Send an asynchronous event."""
        ...


V = TypeVar("V", bound=View)


class Mailbox(Protocol):
    """The HWRM channel of a VF, which may hold a request that waits for the PF's driver.

    :ivar waiting: that request, or None.
    """

    waiting: bytes | None

    def approved(self, request: bytes) -> None:
        """The request is carried out."""

    def rejected(self) -> None:
        """It is refused."""

    def answered(self, response: bytes) -> None:
        """It is answered with this."""


@dataclass(slots=True, eq=False)
class VirtualFunction(Generic[V]):
    """A VF.

    :ivar granted: what FUNC_VF_RESOURCE_CFG gave it at most, None before.
    :ivar guaranteed: what is its own of this, and no longer the PF's.
    :ivar is_trusted: it may have any address, and receive what is no one's.
    :ivar checks_source: it may only send from its own addresses.
    :ivar vlan: tag that its frames get and have to have, 0 for none.
    """

    fid: int
    firmware: V
    mailbox: Mailbox
    granted: Limits | None = None
    guaranteed: dict[str, int] = dataclasses.field(default_factory=dict)
    is_trusted: bool = False
    checks_source: bool = False
    vlan: int = 0

    def owns(self, address: bytes) -> bool:
        """Frames to this address are its own."""
        firmware = self.firmware
        filters = firmware.resources.l2_filters.values()
        return address == firmware.mac or any(f.address == address for f in filters)


@dataclass(frozen=True, slots=True)
class RequestBuffers:
    """FUNC_BUF_RGTR: memory of the PF's driver for requests of VFs.

    :ivar pages: addresses; each has ``page_bytes``, and holds requests of ``request_bytes``.
    """

    pages: tuple[int, ...]
    page_bytes: int
    request_bytes: int

    def place(self, index: int) -> int | None:
        """Address for a request of the VF with that index, or None."""
        a_page = self.page_bytes // self.request_bytes
        page, slot = divmod(index, a_page)
        return self.pages[page] + slot * self.request_bytes if page < len(self.pages) else None

    def ranges(self, functions: int) -> Iterator[tuple[int, int]]:
        """(bus address, bytes) of what the card may touch for so many VFs.

        Pages may have a gigabyte: what has no request in it is not looked at page by page.
        """
        for place in map(self.place, range(functions)):
            if place is not None:
                yield place, self.request_bytes


class Iov(Generic[V]):
    """The VFs of a physical function (PF).

    :ivar buffers: where requests of VFs go, None if the PF's driver gave no memory.
    """

    def __init__(self, physical: V) -> None:
        self.physical = physical
        self.buffers: RequestBuffers | None = None
        self._functions: dict[int, VirtualFunction[V]] = {}
        self._forwarded: frozenset[int] = frozenset()

    def __iter__(self) -> Iterator[VirtualFunction[V]]:
        return iter(self._functions.values())

    def add(self, function: VirtualFunction[V]) -> None:
        """One more of them."""
        self._functions[function.fid] = function
        function.firmware.member_of = self

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._functions)

    def get(self, fid: int) -> VirtualFunction[V] | None:
        """The VF with that function id."""
        return self._functions.get(fid)

    def of(self, firmware: View) -> VirtualFunction[V] | None:
        """The VF whose view this is; None for the PF."""
        return self._functions.get(firmware.identity.fid)

    @property
    def left(self) -> Limits:
        """What the PF may still reserve."""
        limits = self.physical.identity.limits
        taken = {name: sum(vf.guaranteed.get(name, 0) for vf in self) for name in SHARED}
        return dataclasses.replace(
            limits, **{name: max(getattr(limits, name) - taken[name], 0) for name in SHARED}
        )

    def reset(self) -> None:
        """The PF was reset: nothing is granted, and the VFs lose what they had."""
        self.buffers = None
        self._forwarded = frozenset()
        for vf in self:
            self.take_back(vf)
            vf.firmware.running = self.physical.running
            vf.mailbox.waiting = None
            vf.firmware.reset()

    def grant(self, vf: VirtualFunction[V], most: dict[str, int], least: dict[str, int]) -> bool:
        """FUNC_VF_RESOURCE_CFG; False if there is not so much."""
        before, vf.guaranteed = vf.guaranteed, {}
        left, used = self.left, self.physical.reservation
        if any(
            count > getattr(left, name) - getattr(used, name) for name, count in least.items()
        ) or any(count > getattr(left, name) for name, count in most.items()):
            vf.guaranteed = before
            return False
        vf.guaranteed = dict(least)
        vf.granted = dataclasses.replace(left, **most)
        vf.firmware.identity = dataclasses.replace(vf.firmware.identity, limits=vf.granted)
        return True

    def take_back(self, vf: VirtualFunction[V]) -> None:
        """FUNC_VF_RESC_FREE: what it was granted is the PF's again, what it was told forgotten."""
        vf.granted = None
        vf.guaranteed = {}
        vf.is_trusted = vf.checks_source = False
        vf.vlan = 0
        vf.firmware.identity = dataclasses.replace(vf.firmware.identity, mac=bytes(6))

    # -- requests of VFs ----------------------------------------------------------------------
    def driver_came(self, forwarded: tuple[int, ...]) -> None:
        """FUNC_DRV_RGTR of the PF: the requests of VFs that it judges, a bit each."""
        self._forwarded = frozenset(
            word * _WORD_BITS + bit
            for word, bits in enumerate(forwarded)
            for bit in range(_WORD_BITS)
            if bits >> bit & 1
        )

    def driver_left(self) -> None:
        """FUNC_DRV_UNRGTR of the PF: nobody judges, so what is to be judged is refused."""
        self.buffers = None
        for vf in self:
            if vf.mailbox.waiting is not None:
                vf.mailbox.rejected()

    def is_forwarded(self, code: int) -> bool:
        """The PF's driver is to judge such a request."""
        return code in self._forwarded

    def forward(self, vf: VirtualFunction[V], request: bytes) -> bool:
        """Hand a request to the PF's driver; False if that is not there to take it."""
        physical = self.physical
        index = vf.fid - FIRST_VF_FID
        place = None if self.buffers is None else self.buffers.place(index)
        nq = physical.resources.nqs.get(physical.async_nq or -1)
        if self.buffers is None or place is None or nq is None:
            return False
        data = request[: self.buffers.request_bytes]
        try:
            physical.dma.write(place, data, FORWARD)
        except DmaFault as fault:
            physical.trace.violation("vf_request_buffer", detail=str(fault))
            return False
        note = HwrmFwdReqCmpl(source_id=vf.fid, req_buf_addr_v=(place & 0xFFFF_FFFE, place >> 32))
        note.req_len = len(data)
        physical.trace.emit("vf_request", fid=vf.fid, req_type=HwrmInput.unpack(request).req_type)
        nq.post_async(note.pack())
        return True

    # -- addresses ----------------------------------------------------------------------------
    def check_filter(self, firmware: View, address: bytes, mask: bytes) -> None:
        """An L2 filter is asked for: an address has one owner. Raises HwrmError."""
        vf = self.of(firmware)
        if vf is None:
            return
        if mask != _EXACT and not vf.is_trusted:
            raise firmware.refuse("vf_filter_mask", Err.RESOURCE_ACCESS_DENIED, mask=mask.hex())
        self.check_address(firmware, address)

    def check_address(self, firmware: View, address: bytes) -> None:
        """A VF wants to be known by this address. Raises HwrmError if it is another's."""
        if address[0] & 1:
            return
        others = [vf for vf in self if vf.firmware is not firmware and vf.owns(address)]
        if others or address == self.physical.mac:
            owner = others[0].fid if others else self.physical.identity.fid
            raise firmware.refuse(
                "vf_address_taken",
                Err.RESOURCE_ACCESS_DENIED,
                address=address.hex(),
                owner=owner,
            )

    def check_promiscuous(self, firmware: View) -> None:
        """A VF wants to receive what is no one's. Raises HwrmError if it is not trusted."""
        vf = self.of(firmware)
        if vf is not None and not vf.is_trusted:
            raise firmware.refuse("vf_promiscuous", Err.RESOURCE_ACCESS_DENIED, fid=vf.fid)

    def link_changed(self, up: bool) -> None:
        """That of the port is that of each function."""
        for vf in self:
            vf.firmware.link_changed(up)
