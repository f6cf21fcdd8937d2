// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <unistd.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

static void step_ring(struct words *words, FILE *out)
{
	struct ring *ring = &rings[place_word(words, "ring", PLACES)];
	unsigned int flags = number_word(words, "flags", DEFAULT_RING_FLAGS);

	answer_errno(out, ring_open(ring, number_word(words, "sq", 128), number_word(words, "cq", 4096), flags));
}

static void answer_ifq(FILE *out, const struct ifq *ifq, int status, bool failed)
{
	if (status)
		fprintf(out, "{\"errno\":\"%s\",\"failed\":%s}\n", error_name(status), failed ? "true" : "false");
	else
		fprintf(out, "{\"errno\":\"\",\"failed\":%s,\"id\":%u,\"rx_buf_len\":%u,\"rq_entries\":%u,"
			"\"token\":%llu,\"head\":%u,\"tail\":%u}\n", failed ? "true" : "false", ifq->id,
			ifq->rx_buf_len, ifq->rq_entries, (unsigned long long)ifq->token, *ifq->rq_head,
			*ifq->rq_tail);
}

static void step_register(struct words *words, FILE *out)
{
	unsigned int place = place_word(words, "ifq", PLACES);
	const struct ring *ring = ring_of(words);
	bool failed = false;
	int status = ifq_register(&ifqs[place], ring, place, words, &failed);

	answer_ifq(out, &ifqs[place], status, failed);
}

static void step_export(struct words *words, FILE *out)
{
	struct zcrx_ctrl control = { .zcrx_id = ifq_of(words)->id, .op = ZCRX_CTRL_EXPORT };
	int *export = &exports[place_word(words, "export", PLACES)];
	int status;

	control.zc_export.zcrx_fd = number_word(words, "payload", 0);
	status = ifq_control(ring_of(words), &control, 0);
	if (!status)
		*export = control.zc_export.zcrx_fd;
	answer_errno(out, status);
}

/* The new IFQ shares area, refill ring and their memory with the one it is an import of. */
static void step_import(struct words *words, FILE *out)
{
	struct ifq *ifq = &ifqs[place_word(words, "ifq", PLACES)];
	const struct ifq *of = &ifqs[place_word(words, "of", PLACES)];
	const struct ring *ring = ring_of(words);
	struct io_uring_zcrx_ifq_reg reg = {
		.if_idx = exports[place_word(words, "export", PLACES)],
		.if_rxq = number_word(words, "queue", 0),
		.rq_entries = number_word(words, "rq_entries", 0),
		.flags = ZCRX_REG_IMPORT | number_word(words, "flags", 0),
		.area_ptr = number_word(words, "area", 0),
		.region_ptr = number_word(words, "region", 0),
		.event_desc = number_word(words, "events", 0),
	};
	int status;

	reg.if_idx = number_word(words, "fd", reg.if_idx);
	status = ring_register(ring, IORING_REGISTER_ZCRX_IFQ, &reg, 1);
	if (!status) {
		*ifq = *of;
		ifq->held = NULL;
		ifq->held_count = ifq->held_room = 0;
		ifq->id = reg.zcrx_id;
	}
	answer_ifq(out, ifq, status, false);
}

static void step_control(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);
	struct zcrx_ctrl control = {
		.zcrx_id = number_word(words, "id", ifq->id),
		.op = number_word(words, "op", ZCRX_CTRL_FLUSH_RQ),
		.__resv = { number_word(words, "reserved", 0) },
	};
	int status;

	control.zc_arm_event.event_type = number_word(words, "payload", 0);
	status = ifq_control(ring_of(words), &control, number_word(words, "count", 0));
	fprintf(out, "{\"errno\":\"%s\",\"left\":%u}\n", status ? error_name(status) : "",
		*ifq->rq_tail - __atomic_load_n(ifq->rq_head, __ATOMIC_ACQUIRE));
}

static void step_close(struct words *words, FILE *out)
{
	if (word(words, "ring"))
		ring_close(ring_of(words));
	else if (word(words, "socket"))
		close(flow_of(words)->fd);
	else
		close(exports[place_word(words, "export", PLACES)]);
	answer_errno(out, 0);
}

const struct step ring_steps[] = {
	{ "ring", step_ring },
	{ "register", step_register },
	{ "export", step_export },
	{ "import", step_import },
	{ "control", step_control },
	{ "close", step_close },
	{ 0 },
};
