/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of zero-copy receive this kernel knows, without a NIC and without anything registered: a registration whose area
 * cannot be read ends with EFAULT once all before the area is understood, with EINVAL if a word of it is not.
 */
#ifndef TESTBED_ZCRX_PROBE_H
#define TESTBED_ZCRX_PROBE_H

#include <errno.h>
#include <stdio.h>

#include "zcrx.h"

#define UNREADABLE 8 /* an address */
#define NO_IFQ UINT32_MAX

static inline bool zcrx_understands(const struct zcrx *zcrx, struct io_uring_zcrx_ifq_reg reg)
{
	struct io_uring_region_desc region = { 0 };

	reg.rq_entries = 1;
	reg.region_ptr = (uintptr_t)&region;
	reg.area_ptr = UNREADABLE;
	return syscall(__NR_io_uring_register, zcrx->ring_fd, IORING_REGISTER_ZCRX_IFQ, &reg, 1) && errno == EFAULT;
}

/* Flush, export and the like: ENXIO says that only the IFQ is missing. */
static inline bool zcrx_knows_control(const struct zcrx *zcrx)
{
	struct zcrx_ctrl control = { .zcrx_id = NO_IFQ, .op = ZCRX_CTRL_FLUSH_RQ };

	return syscall(__NR_io_uring_register, zcrx->ring_fd, IORING_REGISTER_ZCRX_CTRL, &control, 0) && errno == ENXIO;
}

/* A ring whose completions have 16 or 32 bytes, each as it needs. */
static inline bool knows_mixed_completions(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE_MIXED,
	};
	int fd = syscall(__NR_io_uring_setup, 8, &params);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static inline void zcrx_probe(struct zcrx *zcrx)
{
	const struct zcrx_event_desc events = { 0 };
	const struct {
		const char *name;
		bool known;
	} all[] = {
		{ "recv_zc", zcrx_is_known(zcrx) },
		{ "control", zcrx_knows_control(zcrx) },
		{ "no_device", zcrx_understands(zcrx, (struct io_uring_zcrx_ifq_reg){ .flags = ZCRX_REG_NODEV }) },
		{ "events", zcrx_understands(zcrx, (struct io_uring_zcrx_ifq_reg){
			.event_desc = (uintptr_t)&events }) },
		{ "buffer_length", zcrx_understands(zcrx, (struct io_uring_zcrx_ifq_reg){ .rx_buf_len = 4096 }) },
		{ "mixed_completions", knows_mixed_completions() },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		printf("%s\"%s\":%s", i ? "," : "{", all[i].name, all[i].known ? "true" : "false");
	printf("}\n");
}

#endif
