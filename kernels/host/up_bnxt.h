/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included ahead of bnxt.c (make CFLAGS_bnxt.o="-include ...") in kernels without SMP, which
 * simulated time asks for. Two things keep bnxt_en of 7.2 from being used there; neither is part
 * of what we test, so both are worked around here and the driver's source stays as it is.
 */
#ifndef CONFIG_SMP

/*
 * 1. Without SMP irq_update_affinity_hint() is a stub that returns -EINVAL (linux/interrupt.h), and
 *    bnxt_request_irq() treats that as fatal: the interface cannot be opened.
 */
#include <linux/interrupt.h>
static inline int irq_hint_without_smp(unsigned int irq, const struct cpumask *mask)
{
	return 0;
}
#define irq_update_affinity_hint irq_hint_without_smp

#endif

#ifndef CONFIG_RFS_ACCEL

/*
 * 2. Without RFS_ACCEL, which needs SMP, bnxt_alloc_vnics() allocates one VNIC, but
 *    bnxt_alloc_mem() writes to the second, that of ntuple filters, when the firmware advertises
 *    RFS_RING_TBL_IDX_V2: a write past the end of the array, then a NULL RSS table. Here the driver
 *    does not see that flag, so it offers no ntuple filters.
 */
#if __has_include(<linux/bnxt/hsi.h>)
#include <linux/bnxt/hsi.h>
#else
#include "bnxt_hsi.h"
#endif
#undef CFA_ADV_FLOW_MGNT_QCAPS_RESP_FLAGS_RFS_RING_TBL_IDX_V2_SUPPORTED
#define CFA_ADV_FLOW_MGNT_QCAPS_RESP_FLAGS_RFS_RING_TBL_IDX_V2_SUPPORTED 0x0UL

#endif
