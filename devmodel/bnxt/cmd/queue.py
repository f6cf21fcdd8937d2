# SPDX-License-Identifier: GPL-2.0-only
"""CoS queues: the port's queues, priorities, bandwidth, PFC, DSCP, DCBX applications."""

from __future__ import annotations

import struct

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.fw import (
    DCBX_APP,
    HOST_OPERATIONAL,
    HwrmFwGetStructuredDataInput,
    HwrmFwGetStructuredDataOutput,
    HwrmFwSetStructuredDataInput,
    HwrmFwSetStructuredDataOutput,
    HwrmStructDataDcbxApp,
    HwrmStructHdr,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.queue import (
    SERVICE_PROFILE_TYPE_NIC,
    Dscp2priEnables,
    Dscp2priEntry,
    HwrmQueueCos2bwCfgInput,
    HwrmQueueCos2bwCfgOutput,
    HwrmQueueCos2bwQcfgInput,
    HwrmQueueCos2bwQcfgOutput,
    HwrmQueueDscp2priCfgInput,
    HwrmQueueDscp2priCfgOutput,
    HwrmQueueDscp2priQcfgInput,
    HwrmQueueDscp2priQcfgOutput,
    HwrmQueueDscpQcapsInput,
    HwrmQueueDscpQcapsOutput,
    HwrmQueuePfcenableCfgInput,
    HwrmQueuePfcenableCfgOutput,
    HwrmQueuePfcenableQcfgInput,
    HwrmQueuePfcenableQcfgOutput,
    HwrmQueuePfcwdTimeoutCfgInput,
    HwrmQueuePfcwdTimeoutCfgOutput,
    HwrmQueuePfcwdTimeoutQcapsInput,
    HwrmQueuePfcwdTimeoutQcapsOutput,
    HwrmQueuePfcwdTimeoutQcfgInput,
    HwrmQueuePfcwdTimeoutQcfgOutput,
    HwrmQueuePri2cosCfgInput,
    HwrmQueuePri2cosCfgOutput,
    HwrmQueuePri2cosQcfgInput,
    HwrmQueuePri2cosQcfgOutput,
    HwrmQueueQportcfgInput,
    HwrmQueueQportcfgOutput,
    Pri2cosFlags,
    ServiceProfile,
)
from devmodel.bnxt.qos import (
    DSCP_BITS,
    LOSSLESS_QUEUES,
    MAX_APPS,
    MAX_PFC_WATCHDOG_MS,
    PRIORITIES,
    QUEUES,
    Bandwidth,
)

COMMANDS = CommandTable()
_BANDWIDTH = struct.Struct("<BIIBBB")
"""struct bnxt_cos2bw_cfg: queue, least, most, kind of service, level, weight."""
_MAX_DSCP_ENTRIES = 1 << DSCP_BITS
_EVERY_PRI = (1 << PRIORITIES) - 1


def _check_port(fw: Firmware, port_id: int) -> None:
    if port_id != fw.identity.port_id:
        raise fw.refuse("hwrm_unknown_id", kind="port", id=port_id)


def _check_queue(fw: Firmware, queue_id: int) -> None:
    if queue_id >= QUEUES:
        raise fw.refuse("hwrm_unknown_id", kind="CoS queue", id=queue_id)


@COMMANDS.handles(Cmd.QUEUE_QPORTCFG, HwrmQueueQportcfgInput)
def queue_qportcfg(fw: Firmware, req: HwrmQueueQportcfgInput) -> HwrmQueueQportcfgOutput:
    """Eight queues, two of them lossless."""
    _check_port(fw, req.port_id)
    out = HwrmQueueQportcfgOutput(
        max_configurable_queues=QUEUES, max_configurable_lossless_queues=len(LOSSLESS_QUEUES)
    )
    for queue in range(QUEUES):
        lossless = queue in LOSSLESS_QUEUES
        setattr(out, f"queue_id{queue}", queue)
        profile = ServiceProfile.LOSSLESS if lossless else ServiceProfile.LOSSY
        setattr(out, f"queue_id{queue}_service_profile", profile)
        setattr(out, f"queue_id{queue}_service_profile_type", SERVICE_PROFILE_TYPE_NIC)
    return out


# -- priorities -----------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.QUEUE_PRI2COS_QCFG, HwrmQueuePri2cosQcfgInput)
def queue_pri2cos_qcfg(fw: Firmware, req: HwrmQueuePri2cosQcfgInput) -> HwrmQueuePri2cosQcfgOutput:
    """The queue of each priority."""
    _check_port(fw, req.port_id)
    receives = req.flags & Pri2cosFlags.PATH_RX
    counters = fw.mac_counters.rx if receives else fw.mac_counters.tx
    out = HwrmQueuePri2cosQcfgOutput()
    for pri, queue in enumerate(counters.cos.queue_of):
        setattr(out, f"pri{pri}_cos_queue_id", queue)
    return out


@COMMANDS.handles(Cmd.QUEUE_PRI2COS_CFG, HwrmQueuePri2cosCfgInput)
def queue_pri2cos_cfg(fw: Firmware, req: HwrmQueuePri2cosCfgInput) -> HwrmQueuePri2cosCfgOutput:
    """A queue for each priority that is enabled, of either direction or of both."""
    _check_port(fw, req.port_id)
    wanted = {
        pri: getattr(req, f"pri{pri}_cos_queue_id")
        for pri in range(PRIORITIES)
        if req.enables >> pri & 1
    }
    for queue in wanted.values():
        _check_queue(fw, queue)
    fw.settle_cos()
    both = req.flags & Pri2cosFlags.PATH_BIDIR
    for pri, queue in wanted.items():
        if both or req.flags & Pri2cosFlags.PATH_RX:
            fw.mac_counters.rx.cos.queue_of[pri] = queue
        if both or not req.flags & Pri2cosFlags.PATH_RX:
            fw.mac_counters.tx.cos.queue_of[pri] = queue
    return HwrmQueuePri2cosCfgOutput()


# -- bandwidth and flow control -------------------------------------------------------------------
@COMMANDS.handles(Cmd.QUEUE_COS2BW_QCFG, HwrmQueueCos2bwQcfgInput)
def queue_cos2bw_qcfg(fw: Firmware, req: HwrmQueueCos2bwQcfgInput) -> HwrmQueueCos2bwQcfgOutput:
    """The bandwidth of each queue, as it was set."""
    _check_port(fw, req.port_id)
    first, *others = fw.qos.bandwidth
    return HwrmQueueCos2bwQcfgOutput(
        queue_id0=0,
        queue_id0_min_bw=first.min_bw,
        queue_id0_max_bw=first.max_bw,
        queue_id0_tsa_assign=first.tsa,
        queue_id0_pri_lvl=first.pri_lvl,
        queue_id0_bw_weight=first.bw_weight,
        cfg=b"".join(
            _BANDWIDTH.pack(queue, b.min_bw, b.max_bw, b.tsa, b.pri_lvl, b.bw_weight)
            for queue, b in enumerate(others, 1)
        ),
    )


@COMMANDS.handles(Cmd.QUEUE_COS2BW_CFG, HwrmQueueCos2bwCfgInput)
def queue_cos2bw_cfg(fw: Firmware, req: HwrmQueueCos2bwCfgInput) -> HwrmQueueCos2bwCfgOutput:
    """The bandwidth of each queue that is enabled."""
    _check_port(fw, req.port_id)
    first = (
        req.queue_id0, req.queue_id0_min_bw, req.queue_id0_max_bw, req.queue_id0_tsa_assign,
        req.queue_id0_pri_lvl, req.queue_id0_bw_weight,
    )  # fmt: skip
    slots = [first, *_BANDWIDTH.iter_unpack(req.cfg)]
    wanted = [slot for number, slot in enumerate(slots) if req.enables >> number & 1]
    for queue, *_ in wanted:
        _check_queue(fw, queue)
    for queue, *values in wanted:
        fw.qos.bandwidth[queue] = Bandwidth(*values)
    return HwrmQueueCos2bwCfgOutput()


@COMMANDS.handles(Cmd.QUEUE_PFCENABLE_QCFG, HwrmQueuePfcenableQcfgInput)
def queue_pfcenable_qcfg(
    fw: Firmware, req: HwrmQueuePfcenableQcfgInput
) -> HwrmQueuePfcenableQcfgOutput:
    """Priorities with PFC, as they were set."""
    _check_port(fw, req.port_id)
    return HwrmQueuePfcenableQcfgOutput(flags=fw.qos.pfc)


@COMMANDS.handles(Cmd.QUEUE_PFCENABLE_CFG, HwrmQueuePfcenableCfgInput)
def queue_pfcenable_cfg(
    fw: Firmware, req: HwrmQueuePfcenableCfgInput
) -> HwrmQueuePfcenableCfgOutput:
    """PFC for these priorities, of no more queues than are lossless."""
    _check_port(fw, req.port_id)
    enabled = [pri for pri in range(PRIORITIES) if req.flags & _EVERY_PRI & 1 << pri]
    if len({fw.mac_counters.rx.cos.queue_of[pri] for pri in enabled}) > len(LOSSLESS_QUEUES):
        raise HwrmError(Err.INVALID_PARAMS)
    fw.qos.pfc = req.flags & (_EVERY_PRI | _EVERY_PRI << PRIORITIES)
    return HwrmQueuePfcenableCfgOutput()


@COMMANDS.handles(Cmd.QUEUE_PFCWD_TIMEOUT_QCAPS, HwrmQueuePfcwdTimeoutQcapsInput)
def queue_pfcwd_timeout_qcaps(
    fw: Firmware, req: HwrmQueuePfcwdTimeoutQcapsInput
) -> HwrmQueuePfcwdTimeoutQcapsOutput:
    """The longest time-out of the PFC watchdog, in ms."""
    return HwrmQueuePfcwdTimeoutQcapsOutput(max_pfcwd_timeout=MAX_PFC_WATCHDOG_MS)


@COMMANDS.handles(Cmd.QUEUE_PFCWD_TIMEOUT_QCFG, HwrmQueuePfcwdTimeoutQcfgInput)
def queue_pfcwd_timeout_qcfg(
    fw: Firmware, req: HwrmQueuePfcwdTimeoutQcfgInput
) -> HwrmQueuePfcwdTimeoutQcfgOutput:
    """The time-out in force, in ms; 0 is off."""
    return HwrmQueuePfcwdTimeoutQcfgOutput(pfcwd_timeout_value=fw.qos.pfc_watchdog_ms)


@COMMANDS.handles(Cmd.QUEUE_PFCWD_TIMEOUT_CFG, HwrmQueuePfcwdTimeoutCfgInput)
def queue_pfcwd_timeout_cfg(
    fw: Firmware, req: HwrmQueuePfcwdTimeoutCfgInput
) -> HwrmQueuePfcwdTimeoutCfgOutput:
    """A new time-out, in ms."""
    fw.qos.pfc_watchdog_ms = req.pfcwd_timeout_value
    return HwrmQueuePfcwdTimeoutCfgOutput()


# -- DSCP -----------------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.QUEUE_DSCP_QCAPS, HwrmQueueDscpQcapsInput)
def queue_dscp_qcaps(fw: Firmware, req: HwrmQueueDscpQcapsInput) -> HwrmQueueDscpQcapsOutput:
    """The whole DSCP."""
    return HwrmQueueDscpQcapsOutput(num_dscp_bits=DSCP_BITS, max_entries=_MAX_DSCP_ENTRIES)


@COMMANDS.handles(Cmd.QUEUE_DSCP2PRI_QCFG, HwrmQueueDscp2priQcfgInput)
def queue_dscp2pri_qcfg(
    fw: Firmware, req: HwrmQueueDscp2priQcfgInput
) -> HwrmQueueDscp2priQcfgOutput:
    """As many entries as the host has room for."""
    _check_port(fw, req.port_id)
    fitting = req.dest_data_buffer_size // Dscp2priEntry.SIZE
    mask = _MAX_DSCP_ENTRIES - 1
    entries = [
        Dscp2priEntry(dscp, mask, pri).pack() for dscp, pri in sorted(fw.qos.priority_of.items())
    ][:fitting]
    if entries:
        fw.write(req.dest_data_addr, b"".join(entries), "DSCP table")
    return HwrmQueueDscp2priQcfgOutput(entry_cnt=len(entries), default_pri=fw.qos.default_priority)


@COMMANDS.handles(Cmd.QUEUE_DSCP2PRI_CFG, HwrmQueueDscp2priCfgInput)
def queue_dscp2pri_cfg(fw: Firmware, req: HwrmQueueDscp2priCfgInput) -> HwrmQueueDscp2priCfgOutput:
    """Add entries, or take them back. They are kept; received frames go by their VLAN tag."""
    _check_port(fw, req.port_id)
    if req.entry_cnt > _MAX_DSCP_ENTRIES or req.default_pri >= PRIORITIES:
        raise fw.refuse("dscp_table", entries=req.entry_cnt, default_pri=req.default_pri)
    size = Dscp2priEntry.SIZE
    data = fw.read(req.src_data_addr, req.entry_cnt * size, "DSCP table") if req.entry_cnt else b""
    entries = [Dscp2priEntry.unpack(data, i * size) for i in range(req.entry_cnt)]
    for entry in entries:
        if entry.dscp >= _MAX_DSCP_ENTRIES or entry.pri >= PRIORITIES:
            raise fw.refuse("dscp_table", dscp=entry.dscp, pri=entry.pri)
    if req.enables & Dscp2priEnables.DEFAULT_PRI:
        fw.qos.default_priority = req.default_pri
    for entry in entries:
        if entry.mask:
            fw.qos.priority_of[entry.dscp] = entry.pri
        else:
            fw.qos.priority_of.pop(entry.dscp, None)
    return HwrmQueueDscp2priCfgOutput()


# -- DCBX applications ----------------------------------------------------------------------------
@COMMANDS.handles(Cmd.FW_GET_STRUCTURED_DATA, HwrmFwGetStructuredDataInput)
def fw_get_structured_data(
    fw: Firmware, req: HwrmFwGetStructuredDataInput
) -> HwrmFwGetStructuredDataOutput:
    """The application table. The driver gives no length; it has room for MAX_APPS entries."""
    if (req.structure_id, req.subtype) != (DCBX_APP, HOST_OPERATIONAL):
        raise HwrmError(Err.INVALID_PARAMS)
    apps = [HwrmStructDataDcbxApp(*app).pack() for app in fw.qos.apps]
    header = HwrmStructHdr(
        struct_id=DCBX_APP, len=len(apps) * HwrmStructDataDcbxApp.SIZE, count=len(apps),
        subtype=HOST_OPERATIONAL,
    )  # fmt: skip
    data = header.pack() + b"".join(apps)
    if req.data_len and len(data) > req.data_len:
        raise HwrmError(Err.INVALID_PARAMS)
    fw.write(req.dest_data_addr, data, "structured data")
    return HwrmFwGetStructuredDataOutput(hdr_cnt=1)


@COMMANDS.handles(Cmd.FW_SET_STRUCTURED_DATA, HwrmFwSetStructuredDataInput)
def fw_set_structured_data(
    fw: Firmware, req: HwrmFwSetStructuredDataInput
) -> HwrmFwSetStructuredDataOutput:
    """A new application table."""
    most = HwrmStructHdr.SIZE + MAX_APPS * HwrmStructDataDcbxApp.SIZE
    if req.hdr_cnt != 1 or not HwrmStructHdr.SIZE <= req.data_len <= most:
        raise HwrmError(Err.INVALID_PARAMS)
    data = fw.read(req.src_data_addr, req.data_len, "structured data")
    header = HwrmStructHdr.unpack(data)
    whole = HwrmStructHdr.SIZE + header.count * HwrmStructDataDcbxApp.SIZE <= len(data)
    if (header.struct_id, header.subtype) != (DCBX_APP, HOST_OPERATIONAL) or not whole:
        raise HwrmError(Err.INVALID_PARAMS)
    places = (HwrmStructHdr.SIZE + i * HwrmStructDataDcbxApp.SIZE for i in range(header.count))
    apps = [HwrmStructDataDcbxApp.unpack(data, place) for place in places]
    fw.qos.apps = [(app.protocol_id, app.protocol_selector, app.priority) for app in apps]
    return HwrmFwSetStructuredDataOutput()
