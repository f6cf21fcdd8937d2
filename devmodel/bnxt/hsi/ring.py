# SPDX-License-Identifier: GPL-2.0-only
"""Entries of rings: buffer descriptors, completions, notifications, asynchronous events.

Source: struct definitions of drivers/net/ethernet/broadcom/bnxt/bnxt.h and linux/bnxt/hsi.h. The
valid bit of every entry the card writes is bit 0 of byte 8 and is set by :mod:`devmodel.bnxt.cmpl`.
"""

from __future__ import annotations

import enum

from devmodel.layout import Bits, Layout, layout, le16, le32, le64, u8


class BdType(enum.IntEnum):
    """Bits 5..0 of a descriptor."""

    TX_SHORT = 0x00
    RX_PACKET = 0x04
    RX_AGG = 0x06
    TX_LONG = 0x10


class CmplType(enum.IntEnum):
    """Bits 5..0 of a completion or notification."""

    TX_L2 = 0
    TX_L2_COAL = 2
    RX_L2 = 17
    RX_AGG = 18
    RX_TPA_START = 19
    RX_TPA_END = 21
    RX_TPA_AGG = 22
    HWRM_DONE = 0x20
    HWRM_ASYNC_EVENT = 0x2E
    CQ_NOTIFICATION = 0x30


@layout(size=16, c_name="tx_bd")
class TxBd(Layout):
    """First descriptor of a packet, or one of its fragments."""

    tx_bd_len_flags_type: le32 = 0
    tx_bd_opaque: le32 = 0
    tx_bd_haddr: le64 = 0

    type = Bits("tx_bd_len_flags_type", 5, 0)
    packet_end = Bits("tx_bd_len_flags_type", 6, 6)
    no_cmpl = Bits("tx_bd_len_flags_type", 7, 7)
    bd_cnt = Bits("tx_bd_len_flags_type", 12, 8)
    len = Bits("tx_bd_len_flags_type", 31, 16)


@layout(size=16, c_name="tx_bd_ext")
class TxBdExt(Layout):
    """Second descriptor of a packet: offloads."""

    tx_bd_hsize_lflags: le32 = 0
    tx_bd_mss: le32 = 0
    tx_bd_cfa_action: le32 = 0
    tx_bd_cfa_meta: le32 = 0

    tcp_udp_chksum = Bits("tx_bd_hsize_lflags", 0, 0)
    ip_cksum = Bits("tx_bd_hsize_lflags", 1, 1)
    no_crc = Bits("tx_bd_hsize_lflags", 2, 2)
    stamp = Bits("tx_bd_hsize_lflags", 3, 3)
    t_ip_chksum = Bits("tx_bd_hsize_lflags", 4, 4)
    lso = Bits("tx_bd_hsize_lflags", 5, 5)
    ipid_fmt = Bits("tx_bd_hsize_lflags", 6, 6)
    t_ipid = Bits("tx_bd_hsize_lflags", 7, 7)
    hsize = Bits("tx_bd_hsize_lflags", 24, 16)
    """Header length in units of 2 bytes."""
    mss = Bits("tx_bd_mss", 14, 0)
    vlan_tci = Bits("tx_bd_cfa_meta", 15, 0)
    vlan_tpid = Bits("tx_bd_cfa_meta", 18, 16)
    """0 is 0x88A8, 1 is 0x8100."""
    key = Bits("tx_bd_cfa_meta", 31, 28)
    """1 asks for a VLAN tag."""


@layout(size=16, c_name="rx_bd")
class RxBd(Layout):
    """A receive buffer, in an RX ring (type RX_PACKET) or an aggregation ring (type RX_AGG)."""

    rx_bd_len_flags_type: le32 = 0
    rx_bd_opaque: le32 = 0
    rx_bd_haddr: le64 = 0

    type = Bits("rx_bd_len_flags_type", 5, 0)
    agg_eop = Bits("rx_bd_len_flags_type", 6, 6)
    eop = Bits("rx_bd_len_flags_type", 7, 7)
    len = Bits("rx_bd_len_flags_type", 31, 16)


@layout(size=16, c_name="tx_cmp")
class TxCmp(Layout):
    """Transmit completion."""

    tx_cmp_flags_type: le32 = 0
    tx_cmp_opaque: le32 = 0
    tx_cmp_errors_v: le32 = 0
    sq_cons_idx: le32 = 0

    type = Bits("tx_cmp_flags_type", 5, 0)


@layout(size=16, c_name="rx_cmp")
class RxCmp(Layout):
    """Receive completion, first half."""

    rx_cmp_len_flags_type: le32 = 0
    rx_cmp_opaque: le32 = 0
    rx_cmp_misc_v1: le32 = 0
    rx_cmp_rss_hash: le32 = 0

    type = Bits("rx_cmp_len_flags_type", 5, 0)
    error = Bits("rx_cmp_len_flags_type", 6, 6)
    placement = Bits("rx_cmp_len_flags_type", 9, 7)
    """0 normal, 1 jumbo, 2 header-data split."""
    rss_valid = Bits("rx_cmp_len_flags_type", 10, 10)
    itype = Bits("rx_cmp_len_flags_type", 15, 12)
    """0 not IP, 1 IP, 2 TCP, 3 UDP, 7 ICMP, 8 PTP, 9 PTP with a timestamp."""
    len = Bits("rx_cmp_len_flags_type", 31, 16)
    agg_bufs = Bits("rx_cmp_misc_v1", 5, 1)
    rss_hash_type = Bits("rx_cmp_misc_v1", 15, 9)
    payload_offset = Bits("rx_cmp_misc_v1", 23, 16)


@layout(size=16, c_name="rx_cmp_ext")
class RxCmpExt(Layout):
    """Receive completion, second half."""

    rx_cmp_flags2: le32 = 0
    rx_cmp_meta_data: le32 = 0
    rx_cmp_cfa_code_errors_v2: le32 = 0
    rx_cmp_timestamp: le32 = 0

    ip_cs_calc = Bits("rx_cmp_flags2", 0, 0)
    l4_cs_calc = Bits("rx_cmp_flags2", 1, 1)
    t_ip_cs_calc = Bits("rx_cmp_flags2", 2, 2)
    t_l4_cs_calc = Bits("rx_cmp_flags2", 3, 3)
    meta_format = Bits("rx_cmp_flags2", 7, 4)
    """1: the metadata is a VLAN tag, TCI | TPID << 16."""
    ip_type = Bits("rx_cmp_flags2", 8, 8)
    """1 is IPv6."""
    buffer_error = Bits("rx_cmp_cfa_code_errors_v2", 3, 1)
    ip_cs_error = Bits("rx_cmp_cfa_code_errors_v2", 4, 4)
    l4_cs_error = Bits("rx_cmp_cfa_code_errors_v2", 5, 5)
    t_ip_cs_error = Bits("rx_cmp_cfa_code_errors_v2", 6, 6)
    t_l4_cs_error = Bits("rx_cmp_cfa_code_errors_v2", 7, 7)
    crc_error = Bits("rx_cmp_cfa_code_errors_v2", 8, 8)
    t_pkt_error = Bits("rx_cmp_cfa_code_errors_v2", 11, 9)
    pkt_error = Bits("rx_cmp_cfa_code_errors_v2", 15, 12)
    cfa_code = Bits("rx_cmp_cfa_code_errors_v2", 31, 16)


@layout(size=16, c_name="rx_agg_cmp")
class RxAggCmp(Layout):
    """One aggregation buffer of the completion before it (or of a TPA, with its ``agg_id``)."""

    rx_agg_cmp_len_flags_type: le32 = 0
    rx_agg_cmp_opaque: le32 = 0
    rx_agg_cmp_v: le32 = 0
    rx_agg_cmp_unused: le32 = 0

    type = Bits("rx_agg_cmp_len_flags_type", 5, 0)
    len = Bits("rx_agg_cmp_len_flags_type", 31, 16)
    agg_id = Bits("rx_agg_cmp_v", 27, 16)


@layout(size=16, c_name="rx_tpa_start_cmp")
class RxTpaStartCmp(Layout):
    """A TPA begins, first half."""

    rx_tpa_start_cmp_len_flags_type: le32 = 0
    rx_tpa_start_cmp_opaque: le32 = 0
    rx_tpa_start_cmp_misc_v1: le32 = 0
    rx_tpa_start_cmp_rss_hash: le32 = 0

    type = Bits("rx_tpa_start_cmp_len_flags_type", 5, 0)
    placement = Bits("rx_tpa_start_cmp_len_flags_type", 9, 7)
    rss_valid = Bits("rx_tpa_start_cmp_len_flags_type", 10, 10)
    itype = Bits("rx_tpa_start_cmp_len_flags_type", 15, 12)
    len = Bits("rx_tpa_start_cmp_len_flags_type", 31, 16)
    rss_hash_type = Bits("rx_tpa_start_cmp_misc_v1", 15, 9)
    agg_id = Bits("rx_tpa_start_cmp_misc_v1", 27, 16)


@layout(size=16, c_name="rx_tpa_start_cmp_ext")
class RxTpaStartCmpExt(Layout):
    """A TPA begins, second half."""

    rx_tpa_start_cmp_flags2: le32 = 0
    rx_tpa_start_cmp_metadata: le32 = 0
    rx_tpa_start_cmp_cfa_code_v2: le32 = 0
    rx_tpa_start_cmp_hdr_info: le32 = 0

    ip_cs_calc = Bits("rx_tpa_start_cmp_flags2", 0, 0)
    l4_cs_calc = Bits("rx_tpa_start_cmp_flags2", 1, 1)
    meta_format = Bits("rx_tpa_start_cmp_flags2", 7, 4)
    ip_type = Bits("rx_tpa_start_cmp_flags2", 8, 8)
    buffer_error = Bits("rx_tpa_start_cmp_cfa_code_v2", 3, 1)
    outer_l3_off = Bits("rx_tpa_start_cmp_hdr_info", 8, 0)
    inner_l2_off = Bits("rx_tpa_start_cmp_hdr_info", 17, 9)
    inner_l3_off = Bits("rx_tpa_start_cmp_hdr_info", 26, 18)
    inner_l4_size = Bits("rx_tpa_start_cmp_hdr_info", 31, 27)


@layout(size=16, c_name="rx_tpa_end_cmp")
class RxTpaEndCmp(Layout):
    """A TPA ends, first half."""

    rx_tpa_end_cmp_len_flags_type: le32 = 0
    rx_tpa_end_cmp_opaque: le32 = 0
    rx_tpa_end_cmp_misc_v1: le32 = 0
    rx_tpa_end_cmp_tsdelta: le32 = 0

    type = Bits("rx_tpa_end_cmp_len_flags_type", 5, 0)
    placement = Bits("rx_tpa_end_cmp_len_flags_type", 9, 7)
    itype = Bits("rx_tpa_end_cmp_len_flags_type", 15, 12)
    len = Bits("rx_tpa_end_cmp_len_flags_type", 31, 16)
    tpa_segs = Bits("rx_tpa_end_cmp_misc_v1", 15, 8)
    agg_id = Bits("rx_tpa_end_cmp_misc_v1", 27, 16)
    gro_ts = Bits("rx_tpa_end_cmp_tsdelta", 31, 31)


@layout(size=16, c_name="rx_tpa_end_cmp_ext")
class RxTpaEndCmpExt(Layout):
    """A TPA ends, second half."""

    rx_tpa_end_cmp_dup_acks: le32 = 0
    rx_tpa_end_cmp_seg_len: le32 = 0
    rx_tpa_end_cmp_errors_v2: le32 = 0
    rx_tpa_end_cmp_start_opaque: le32 = 0

    dup_acks = Bits("rx_tpa_end_cmp_dup_acks", 3, 0)
    payload_offset = Bits("rx_tpa_end_cmp_dup_acks", 23, 16)
    agg_bufs = Bits("rx_tpa_end_cmp_dup_acks", 31, 24)
    buffer_error = Bits("rx_tpa_end_cmp_errors_v2", 3, 1)
    seg_len = Bits("rx_tpa_end_cmp_seg_len", 15, 0)


@layout(size=16, c_name="nqe_cn")
class NqeCn(Layout):
    """Notification: a completion ring has entries."""

    type: le16 = CmplType.CQ_NOTIFICATION
    reserved16: le16 = 0
    cq_handle_low: le32 = 0
    v: le32 = 0
    cq_handle_high: le32 = 0


@layout(size=16, c_name="hwrm_cmpl")
class HwrmCmpl(Layout):
    """The response of the request with ``sequence_id`` has been written."""

    type: le16 = CmplType.HWRM_DONE
    sequence_id: le16 = 0
    unused_1: le32 = 0
    v: le32 = 0
    unused_3: le32 = 0


class AsyncEvent(enum.IntEnum):
    """ASYNC_EVENT_CMPL_EVENT_ID_*; also the bit number in FUNC_DRV_RGTR.async_event_fwd."""

    LINK_STATUS_CHANGE = 0x0
    LINK_SPEED_CHANGE = 0x2
    LINK_SPEED_CFG_CHANGE = 0x6
    PORT_PHY_CFG_CHANGE = 0x7
    RESET_NOTIFY = 0x8
    ERROR_RECOVERY = 0x9
    PF_DRVR_UNLOAD = 0x20
    VF_CFG_CHANGE = 0x33
    PHC_UPDATE = 0x43
    PPS_TIMESTAMP = 0x44


PHC_RTC_UPDATE = 0x4
"""ASYNC_EVENT_CMPL_PHC_UPDATE_EVENT_DATA1_FLAGS_*; bits 63..48 of the time are above it."""
PHC_TIME_MSB_SHIFT = 4


class ResetNotify(enum.IntEnum):
    """ASYNC_EVENT_CMPL_RESET_NOTIFY_EVENT_DATA1_*: what the driver is to do, and why."""

    DRIVER_IFDOWN = 0x2
    MANAGEMENT_RESET_REQUEST = 0x100
    FW_ACTIVATION = 0x500


class ErrorRecovery(enum.IntFlag):
    """ASYNC_EVENT_CMPL_ERROR_RECOVERY_EVENT_DATA1_FLAGS_*."""

    MASTER_FUNC = 0x1
    RECOVERY_ENABLED = 0x2


@layout(size=16, c_name="hwrm_async_event_cmpl")
class HwrmAsyncEventCmpl(Layout):
    """Asynchronous event, in the NQ that FUNC_CFG.async_event_cr names."""

    type: le16 = CmplType.HWRM_ASYNC_EVENT
    event_id: le16 = 0
    event_data2: le32 = 0
    opaque_v: u8 = 0
    timestamp_lo: u8 = 0
    timestamp_hi: le16 = 0
    event_data1: le32 = 0
