# SPDX-License-Identifier: GPL-2.0-only
"""CoS queues (hwrm_queue_*)."""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import Layout, layout, le16, le32, le64, u8


class ServiceProfile(enum.IntEnum):
    """QUEUE_QPORTCFG_RESP_QUEUE_ID0_SERVICE_PROFILE_*."""

    LOSSY = 0
    LOSSLESS = 1


SERVICE_PROFILE_TYPE_NIC = 0x2
"""QUEUE_QPORTCFG_RESP_QUEUE_ID0_SERVICE_PROFILE_TYPE_NIC."""


class Pri2cosFlags(enum.IntFlag):
    """QUEUE_PRI2COS_CFG_REQ_FLAGS_*."""

    PATH_RX = 0x1
    PATH_BIDIR = 0x2


class Dscp2priEnables(enum.IntFlag):
    """QUEUE_DSCP2PRI_CFG_REQ_ENABLES_*."""

    DEFAULT_PRI = 0x1


@layout(size=3, c_name="bnxt_dscp2pri_entry")
class Dscp2priEntry(Layout):
    """What QUEUE_DSCP2PRI_CFG points to; a mask of 0 takes the entry back."""

    dscp: u8 = 0
    mask: u8 = 0
    pri: u8 = 0


@layout(size=24, c_name="hwrm_queue_qportcfg_input")
class HwrmQueueQportcfgInput(HwrmInput):
    flags: le32 = 0
    port_id: le16 = 0
    drv_qmap_cap: u8 = 0
    unused_0: u8 = 0


@layout(size=168, c_name="hwrm_queue_qportcfg_output")
class HwrmQueueQportcfgOutput(HwrmOutput):
    max_configurable_queues: u8 = 0
    max_configurable_lossless_queues: u8 = 0
    queue_cfg_allowed: u8 = 0
    queue_cfg_info: u8 = 0
    queue_pfcenable_cfg_allowed: u8 = 0
    queue_pri2cos_cfg_allowed: u8 = 0
    queue_cos2bw_cfg_allowed: u8 = 0
    queue_id0: u8 = 0
    queue_id0_service_profile: u8 = 0
    queue_id1: u8 = 0
    queue_id1_service_profile: u8 = 0
    queue_id2: u8 = 0
    queue_id2_service_profile: u8 = 0
    queue_id3: u8 = 0
    queue_id3_service_profile: u8 = 0
    queue_id4: u8 = 0
    queue_id4_service_profile: u8 = 0
    queue_id5: u8 = 0
    queue_id5_service_profile: u8 = 0
    queue_id6: u8 = 0
    queue_id6_service_profile: u8 = 0
    queue_id7: u8 = 0
    queue_id7_service_profile: u8 = 0
    queue_id0_service_profile_type: u8 = 0
    qid0_name: Annotated[bytes, "16s"] = b""
    qid1_name: Annotated[bytes, "16s"] = b""
    qid2_name: Annotated[bytes, "16s"] = b""
    qid3_name: Annotated[bytes, "16s"] = b""
    qid4_name: Annotated[bytes, "16s"] = b""
    qid5_name: Annotated[bytes, "16s"] = b""
    qid6_name: Annotated[bytes, "16s"] = b""
    qid7_name: Annotated[bytes, "16s"] = b""
    queue_id1_service_profile_type: u8 = 0
    queue_id2_service_profile_type: u8 = 0
    queue_id3_service_profile_type: u8 = 0
    queue_id4_service_profile_type: u8 = 0
    queue_id5_service_profile_type: u8 = 0
    queue_id6_service_profile_type: u8 = 0
    queue_id7_service_profile_type: u8 = 0
    valid: u8 = 1


@layout(size=24, c_name="hwrm_queue_pri2cos_qcfg_input")
class HwrmQueuePri2cosQcfgInput(HwrmInput):
    flags: le32 = 0
    port_id: u8 = 0
    unused_0: Annotated[bytes, "3s"] = b""


@layout(size=24, c_name="hwrm_queue_pri2cos_qcfg_output")
class HwrmQueuePri2cosQcfgOutput(HwrmOutput):
    pri0_cos_queue_id: u8 = 0
    pri1_cos_queue_id: u8 = 0
    pri2_cos_queue_id: u8 = 0
    pri3_cos_queue_id: u8 = 0
    pri4_cos_queue_id: u8 = 0
    pri5_cos_queue_id: u8 = 0
    pri6_cos_queue_id: u8 = 0
    pri7_cos_queue_id: u8 = 0
    queue_cfg_info: u8 = 0
    unused_0: Annotated[bytes, "6s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_queue_pri2cos_cfg_input")
class HwrmQueuePri2cosCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: u8 = 0
    pri0_cos_queue_id: u8 = 0
    pri1_cos_queue_id: u8 = 0
    pri2_cos_queue_id: u8 = 0
    pri3_cos_queue_id: u8 = 0
    pri4_cos_queue_id: u8 = 0
    pri5_cos_queue_id: u8 = 0
    pri6_cos_queue_id: u8 = 0
    pri7_cos_queue_id: u8 = 0
    unused_0: Annotated[bytes, "7s"] = b""


@layout(size=16, c_name="hwrm_queue_pri2cos_cfg_output")
class HwrmQueuePri2cosCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_queue_pfcenable_qcfg_input")
class HwrmQueuePfcenableQcfgInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_queue_pfcenable_qcfg_output")
class HwrmQueuePfcenableQcfgOutput(HwrmOutput):
    flags: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_queue_pfcenable_cfg_input")
class HwrmQueuePfcenableCfgInput(HwrmInput):
    flags: le32 = 0
    port_id: le16 = 0
    unused_0: Annotated[bytes, "2s"] = b""


@layout(size=16, c_name="hwrm_queue_pfcenable_cfg_output")
class HwrmQueuePfcenableCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_queue_cos2bw_qcfg_input")
class HwrmQueueCos2bwQcfgInput(HwrmInput):
    port_id: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=112, c_name="hwrm_queue_cos2bw_qcfg_output")
class HwrmQueueCos2bwQcfgOutput(HwrmOutput):
    queue_id0: u8 = 0
    unused_0: u8 = 0
    unused_1: le16 = 0
    queue_id0_min_bw: le32 = 0
    queue_id0_max_bw: le32 = 0
    queue_id0_tsa_assign: u8 = 0
    queue_id0_pri_lvl: u8 = 0
    queue_id0_bw_weight: u8 = 0
    cfg: Annotated[bytes, "84s"] = b""
    unused_2: Annotated[bytes, "4s"] = b""
    valid: u8 = 1


@layout(size=128, c_name="hwrm_queue_cos2bw_cfg_input")
class HwrmQueueCos2bwCfgInput(HwrmInput):
    flags: le32 = 0
    enables: le32 = 0
    port_id: le16 = 0
    queue_id0: u8 = 0
    unused_0: u8 = 0
    queue_id0_min_bw: le32 = 0
    queue_id0_max_bw: le32 = 0
    queue_id0_tsa_assign: u8 = 0
    queue_id0_pri_lvl: u8 = 0
    queue_id0_bw_weight: u8 = 0
    cfg: Annotated[bytes, "84s"] = b""
    unused_1: Annotated[bytes, "5s"] = b""


@layout(size=16, c_name="hwrm_queue_cos2bw_cfg_output")
class HwrmQueueCos2bwCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_queue_dscp_qcaps_input")
class HwrmQueueDscpQcapsInput(HwrmInput):
    port_id: u8 = 0
    unused_0: Annotated[bytes, "7s"] = b""


@layout(size=16, c_name="hwrm_queue_dscp_qcaps_output")
class HwrmQueueDscpQcapsOutput(HwrmOutput):
    num_dscp_bits: u8 = 0
    unused_0: u8 = 0
    max_entries: le16 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=32, c_name="hwrm_queue_dscp2pri_qcfg_input")
class HwrmQueueDscp2priQcfgInput(HwrmInput):
    dest_data_addr: le64 = 0
    port_id: u8 = 0
    unused_0: u8 = 0
    dest_data_buffer_size: le16 = 0
    unused_1: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_queue_dscp2pri_qcfg_output")
class HwrmQueueDscp2priQcfgOutput(HwrmOutput):
    entry_cnt: le16 = 0
    default_pri: u8 = 0
    unused_0: Annotated[bytes, "4s"] = b""
    valid: u8 = 1


@layout(size=40, c_name="hwrm_queue_dscp2pri_cfg_input")
class HwrmQueueDscp2priCfgInput(HwrmInput):
    src_data_addr: le64 = 0
    flags: le32 = 0
    enables: le32 = 0
    port_id: u8 = 0
    default_pri: u8 = 0
    entry_cnt: le16 = 0
    unused_0: Annotated[bytes, "4s"] = b""


@layout(size=16, c_name="hwrm_queue_dscp2pri_cfg_output")
class HwrmQueueDscp2priCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_queue_pfcwd_timeout_qcaps_input")
class HwrmQueuePfcwdTimeoutQcapsInput(HwrmInput):
    """A request without arguments."""


@layout(size=16, c_name="hwrm_queue_pfcwd_timeout_qcaps_output")
class HwrmQueuePfcwdTimeoutQcapsOutput(HwrmOutput):
    max_pfcwd_timeout: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_queue_pfcwd_timeout_cfg_input")
class HwrmQueuePfcwdTimeoutCfgInput(HwrmInput):
    pfcwd_timeout_value: le16 = 0
    unused_0: Annotated[bytes, "6s"] = b""


@layout(size=16, c_name="hwrm_queue_pfcwd_timeout_cfg_output")
class HwrmQueuePfcwdTimeoutCfgOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1


@layout(size=16, c_name="hwrm_queue_pfcwd_timeout_qcfg_input")
class HwrmQueuePfcwdTimeoutQcfgInput(HwrmInput):
    """A request without arguments."""


@layout(size=16, c_name="hwrm_queue_pfcwd_timeout_qcfg_output")
class HwrmQueuePfcwdTimeoutQcfgOutput(HwrmOutput):
    pfcwd_timeout_value: le16 = 0
    unused_0: Annotated[bytes, "5s"] = b""
    valid: u8 = 1
