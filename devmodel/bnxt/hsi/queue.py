# SPDX-License-Identifier: GPL-2.0-only
"""CoS queues (hwrm_queue_*)."""

from __future__ import annotations

from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le16, le32, u8


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
