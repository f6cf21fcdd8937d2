# SPDX-License-Identifier: GPL-2.0-only
"""Virtual functions: what they have, and requests of theirs that the physical one's driver judges.

hwrm_func_vf_*, hwrm_func_buf_*, hwrm_*fwd_*.
"""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import Bits, Layout, layout, le16, le32, le64, u8


class FuncVfCfgEnables(enum.IntFlag):
    """FUNC_VF_CFG_REQ_ENABLES_*."""

    ASYNC_EVENT_CR = 0x4
    DFLT_MAC_ADDR = 0x8
    NUM_RSSCOS_CTXS = 0x10
    NUM_CMPL_RINGS = 0x20
    NUM_TX_RINGS = 0x40
    NUM_RX_RINGS = 0x80
    NUM_L2_CTXS = 0x100
    NUM_VNICS = 0x200
    NUM_STAT_CTXS = 0x400
    NUM_HW_RING_GRPS = 0x800


class FuncVfCfgFlags(enum.IntFlag):
    """FUNC_VF_CFG_REQ_FLAGS_*: ask whether a reservation would succeed, change nothing."""

    TX_ASSETS_TEST = 0x1
    RX_ASSETS_TEST = 0x2
    CMPL_ASSETS_TEST = 0x4
    RSSCOS_CTX_ASSETS_TEST = 0x8
    RING_GRP_ASSETS_TEST = 0x10
    STAT_CTX_ASSETS_TEST = 0x20
    VNIC_ASSETS_TEST = 0x40
    L2_CTX_ASSETS_TEST = 0x80


@layout(size=72, c_name="hwrm_func_vf_cfg_input")
class HwrmFuncVfCfgInput(HwrmInput):
    enables: le32 = 0
    mtu: le16 = 0
    guest_vlan: le16 = 0
    async_event_cr: le16 = 0
    dflt_mac_addr: Annotated[bytes, "6s"] = b""
    flags: le32 = 0
    num_rsscos_ctxs: le16 = 0
    num_cmpl_rings: le16 = 0
    num_tx_rings: le16 = 0
    num_rx_rings: le16 = 0
    num_l2_ctxs: le16 = 0
    num_vnics: le16 = 0
    num_stat_ctxs: le16 = 0
    num_hw_ring_grps: le16 = 0
    num_ktls_tx_key_ctxs: le32 = 0
    num_ktls_rx_key_ctxs: le32 = 0
    num_msix: le16 = 0
    unused: Annotated[bytes, "2s"] = b""
    num_quic_tx_key_ctxs: le32 = 0
    num_quic_rx_key_ctxs: le32 = 0


@layout(size=16, c_name="hwrm_func_vf_cfg_output")
class HwrmFuncVfCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=88, c_name="hwrm_func_vf_resource_cfg_input")
class HwrmFuncVfResourceCfgInput(HwrmInput):
    vf_id: le16 = 0
    max_msix: le16 = 0
    min_rsscos_ctx: le16 = 0
    max_rsscos_ctx: le16 = 0
    min_cmpl_rings: le16 = 0
    max_cmpl_rings: le16 = 0
    min_tx_rings: le16 = 0
    max_tx_rings: le16 = 0
    min_rx_rings: le16 = 0
    max_rx_rings: le16 = 0
    min_l2_ctxs: le16 = 0
    max_l2_ctxs: le16 = 0
    min_vnics: le16 = 0
    max_vnics: le16 = 0
    min_stat_ctx: le16 = 0
    max_stat_ctx: le16 = 0
    min_hw_ring_grps: le16 = 0
    max_hw_ring_grps: le16 = 0
    flags: le16 = 0
    min_msix: le16 = 0
    min_ktls_tx_key_ctxs: le32 = 0
    max_ktls_tx_key_ctxs: le32 = 0
    min_ktls_rx_key_ctxs: le32 = 0
    max_ktls_rx_key_ctxs: le32 = 0
    min_quic_tx_key_ctxs: le32 = 0
    max_quic_tx_key_ctxs: le32 = 0
    min_quic_rx_key_ctxs: le32 = 0
    max_quic_rx_key_ctxs: le32 = 0


@layout(size=48, c_name="hwrm_func_vf_resource_cfg_output")
class HwrmFuncVfResourceCfgOutput(HwrmOutput):
    reserved_rsscos_ctx: le16 = 0
    reserved_cmpl_rings: le16 = 0
    reserved_tx_rings: le16 = 0
    reserved_rx_rings: le16 = 0
    reserved_l2_ctxs: le16 = 0
    reserved_vnics: le16 = 0
    reserved_stat_ctx: le16 = 0
    reserved_hw_ring_grps: le16 = 0
    reserved_ktls_tx_key_ctxs: le32 = 0
    reserved_ktls_rx_key_ctxs: le32 = 0
    reserved_quic_tx_key_ctxs: le32 = 0
    reserved_quic_rx_key_ctxs: le32 = 0
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_vf_resc_free_input")
class HwrmFuncVfRescFreeInput(HwrmInput):
    vf_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_func_vf_resc_free_output")
class HwrmFuncVfRescFreeOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=128, c_name="hwrm_func_buf_rgtr_input")
class HwrmFuncBufRgtrInput(HwrmInput):
    """:ivar req_buf_page_size: exponent of 2."""

    enables: le32 = 0
    vf_id: le16 = 0
    req_buf_num_pages: le16 = 0
    req_buf_page_size: le16 = 0
    req_buf_len: le16 = 0
    resp_buf_len: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""
    req_buf_page_addr0: le64 = 0
    req_buf_page_addr1: le64 = 0
    req_buf_page_addr2: le64 = 0
    req_buf_page_addr3: le64 = 0
    req_buf_page_addr4: le64 = 0
    req_buf_page_addr5: le64 = 0
    req_buf_page_addr6: le64 = 0
    req_buf_page_addr7: le64 = 0
    req_buf_page_addr8: le64 = 0
    req_buf_page_addr9: le64 = 0
    error_buf_addr: le64 = 0
    resp_buf_addr: le64 = 0


@layout(size=16, c_name="hwrm_func_buf_rgtr_output")
class HwrmFuncBufRgtrOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


ENCAPSULATED_BYTES = 104
"""The longest request that comes back in EXEC_FWD_RESP and REJECT_FWD_RESP."""


@layout(size=128, c_name="hwrm_exec_fwd_resp_input")
class HwrmExecFwdRespInput(HwrmInput):
    encap_request: Annotated[tuple[int, ...], "26I"] = (0,) * 26
    encap_resp_target_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_exec_fwd_resp_output")
class HwrmExecFwdRespOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=128, c_name="hwrm_reject_fwd_resp_input")
class HwrmRejectFwdRespInput(HwrmInput):
    encap_request: Annotated[tuple[int, ...], "26I"] = (0,) * 26
    encap_resp_target_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_reject_fwd_resp_output")
class HwrmRejectFwdRespOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=128, c_name="hwrm_fwd_resp_input")
class HwrmFwdRespInput(HwrmInput):
    encap_resp_target_id: le16 = 0
    encap_resp_cmpl_ring: le16 = 0
    encap_resp_len: le16 = 0
    unused_0: u8 = 0
    unused_1: u8 = 0
    encap_resp_addr: le64 = 0
    encap_resp: Annotated[tuple[int, ...], "24I"] = (0,) * 24


@layout(size=16, c_name="hwrm_fwd_resp_output")
class HwrmFwdRespOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_fwd_async_event_cmpl_input")
class HwrmFwdAsyncEventCmplInput(HwrmInput):
    encap_async_event_target_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    encap_async_event_cmpl: Annotated[tuple[int, ...], "4I"] = (0,) * 4


@layout(size=16, c_name="hwrm_fwd_async_event_cmpl_output")
class HwrmFwdAsyncEventCmplOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


FWD_REQ_TYPE = 0x22


@layout(size=16, c_name="hwrm_fwd_req_cmpl")
class HwrmFwdReqCmpl(Layout):
    """A virtual function has sent a request; the valid bit is that of an event."""

    req_len_type: le16 = FWD_REQ_TYPE
    source_id: le16 = 0
    unused0: le32 = 0
    req_buf_addr_v: Annotated[tuple[int, ...], "2I"] = (0, 0)

    req_len = Bits("req_len_type", 15, 6)
