/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included behind up_bnxt.h where our fix of the finding vnics-without-rfs-accel is in the build: the
 * driver makes the VNIC of ntuple filters without RFS_ACCEL, too, and may see that the firmware has
 * them (RFS_RING_TBL_IDX_V2, bit 13 of the answer to CFA_ADV_FLOW_MGNT_QCAPS).
 */
#ifndef CONFIG_RFS_ACCEL

#undef CFA_ADV_FLOW_MGNT_QCAPS_RESP_FLAGS_RFS_RING_TBL_IDX_V2_SUPPORTED
#define CFA_ADV_FLOW_MGNT_QCAPS_RESP_FLAGS_RFS_RING_TBL_IDX_V2_SUPPORTED 0x2000UL

#endif
