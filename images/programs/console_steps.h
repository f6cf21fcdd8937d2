/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps of zcrx_console, each an answer. */
#ifndef TESTBED_CONSOLE_STEPS_H
#define TESTBED_CONSOLE_STEPS_H

#include "console_refill.h"
#include "console_sockets.h"

/* -- rings and IFQs ---------------------------------------------------------------------------------------------- */

static inline void step_ring(struct words *words, FILE *out)
{
	struct ring *ring = &rings[place_word(words, "ring", PLACES)];
	unsigned int flags = number_word(words, "flags", DEFAULT_RING_FLAGS);

	answer_errno(out, ring_open(ring, number_word(words, "sq", 128), number_word(words, "cq", 4096), flags));
}

static inline void answer_ifq(FILE *out, const struct ifq *ifq, int status, bool failed)
{
	if (status)
		fprintf(out, "{\"errno\":\"%s\",\"failed\":%s}\n", error_name(status), failed ? "true" : "false");
	else
		fprintf(out, "{\"errno\":\"\",\"failed\":%s,\"id\":%u,\"rx_buf_len\":%u,\"rq_entries\":%u,"
			"\"token\":%llu,\"head\":%u,\"tail\":%u}\n", failed ? "true" : "false", ifq->id,
			ifq->rx_buf_len, ifq->rq_entries, (unsigned long long)ifq->token, *ifq->rq_head,
			*ifq->rq_tail);
}

static inline void step_register(struct words *words, FILE *out)
{
	unsigned int place = place_word(words, "ifq", PLACES);
	const struct ring *ring = ring_of(words);
	bool failed = false;
	int status = ifq_register(&ifqs[place], ring, place, words, &failed);

	answer_ifq(out, &ifqs[place], status, failed);
}

static inline void step_export(struct words *words, FILE *out)
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
static inline void step_import(struct words *words, FILE *out)
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

static inline void step_control(struct words *words, FILE *out)
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

/* -- receiving --------------------------------------------------------------------------------------------------- */

static inline void step_receive(struct words *words, FILE *out)
{
	unsigned int place = place_word(words, "socket", SOCKETS);
	unsigned int ifq = place_word(words, "ifq", PLACES);
	struct io_uring_sqe *sqe = ring_next_sqe(ring_of(words));

	sqe->opcode = IORING_OP_RECV_ZC;
	sqe->fd = number_word(words, "fd", flows[place].fd);
	sqe->ioprio = number_word(words, "flags", IORING_RECV_MULTISHOT);
	sqe->len = number_word(words, "bytes", 0);
	sqe->addr = number_word(words, "address", 0);
	sqe->msg_flags = number_word(words, "message_flags", 0);
	sqe->zcrx_ifq_idx = number_word(words, "id", ifqs[ifq].id);
	sqe->user_data = ifq << 8 | place;
	answer_errno(out, 0);
}

static inline void step_cancel(struct words *words, FILE *out)
{
	struct io_uring_sqe *sqe = ring_next_sqe(ring_of(words));

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = flow_of(words)->fd;
	sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	sqe->user_data = CANCEL_USER_DATA;
	answer_errno(out, 0);
}

struct collected {
	uint64_t bytes;
	unsigned int completions, ends, events;
	uint64_t hold_below; /* buffers of the area that are kept: those below this one */
	char ends_text[2048], events_text[512];
	size_t ends_length, events_length;
};

static inline void append_text(char *text, size_t size, size_t *length, const char *format, int a, int b,
			       const char *name)
{
	int more = snprintf(text + *length, size - *length, format, *length ? "," : "", a, b, name);

	if (more < 0 || *length + more >= size)
		fail("more ends or events than an answer holds");
	*length += more;
}

static inline void collect_one(struct collected *all, const struct io_uring_cqe *cqe)
{
	const struct io_uring_zcrx_cqe *half = (const void *)(cqe + 1);
	struct flow *flow = &flows[cqe->user_data % SOCKETS];
	struct ifq *ifq = &ifqs[cqe->user_data >> 8 & (PLACES - 1)];

	if (cqe->user_data == CANCEL_USER_DATA)
		return;
	if (cqe->user_data >> 63) {
		all->events++;
		append_text(all->events_text, sizeof(all->events_text), &all->events_length,
			    "%s{\"ifq\":%d,\"type\":%d%s}", cqe->user_data & (PLACES - 1), cqe->res, "");
		return;
	}
	if (cqe->res > 0 && cqe->flags & IORING_CQE_F_MORE) {
		const unsigned char *payload = ifq_payload(ifq, half->off, cqe->res);

		sha256_add(&flow->hash, payload, cqe->res);
		flow->bytes += cqe->res;
		all->bytes += cqe->res;
		all->completions++;
		/* What does not fit into a full refill ring is kept, too. */
		if ((half->off & ~IORING_ZCRX_AREA_MASK) / ifq->rx_buf_len < all->hold_below ||
		    !ifq_write(ifq, ifq_entry(ifq, half->off, cqe->res)))
			ifq_hold(ifq, half->off, cqe->res);
		else
			ifq_publish(ifq);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		all->ends++;
		append_text(all->ends_text, sizeof(all->ends_text), &all->ends_length,
			    "%s{\"socket\":%d,\"result\":%d,\"errno\":\"%s\"}", cqe->user_data % SOCKETS, cqe->res,
			    cqe->res < 0 ? error_name(-cqe->res) : "");
	}
}

static inline void step_collect(struct words *words, FILE *out)
{
	struct ring *ring = ring_of(words);
	uint64_t bytes = number_word(words, "bytes", 0);
	unsigned int ends = number_word(words, "ends", 0), events = number_word(words, "events", 0);
	unsigned int completions = number_word(words, "completions", 0);
	double deadline = seconds_now() + number_word(words, "timeout", STEP_TIMEOUT_MS) / 1e3;
	struct collected all = {
		.hold_below = number_word(words, "hold", 0) ? UINT64_MAX : number_word(words, "hold_below", 0),
	};
	const struct io_uring_cqe *cqe;
	bool done = false;

	do {
		double left = deadline - seconds_now();

		if (left <= 0)
			break;
		ring_wait(ring, left * 1000 + 1);
		adopt_tails();
		while (!done && (cqe = ring_completion(ring))) {
			collect_one(&all, cqe);
			ring_completion_done(ring, cqe);
			done = bytes | ends | events | completions && all.bytes >= bytes && all.ends >= ends &&
			       all.events >= events && all.completions >= completions;
		}
	} while (!done);
	fprintf(out, "{\"bytes\":%llu,\"completions\":%u,\"complete\":%s,\"overflow\":%u,\"ends\":[%s],"
		"\"events\":[%s]}\n", (unsigned long long)all.bytes, all.completions, done ? "true" : "false",
		*ring->cq_overflow, all.ends_text, all.events_text);
}

/* -- ends -------------------------------------------------------------------------------------------------------- */

static inline void step_shutdown(struct words *words, FILE *out)
{
	answer_errno(out, shutdown(flow_of(words)->fd, SHUT_RDWR) ? errno : 0);
}

static inline void step_close(struct words *words, FILE *out)
{
	if (word(words, "ring"))
		ring_close(ring_of(words));
	else if (word(words, "socket"))
		close(flow_of(words)->fd);
	else
		close(exports[place_word(words, "export", PLACES)]);
	answer_errno(out, 0);
}

static inline void step_unmap(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);

	if (!strcmp(needed_word(words, "what"), "area")) {
		munmap(ifq->area, ifq->area_bytes);
	} else {
		munmap(ifq->region, ifq->region_bytes);
		ifq->region = NULL;
	}
	answer_errno(out, 0);
}

static inline void take_step(struct words *words, FILE *out)
{
	static const struct {
		const char *verb;
		void (*take)(struct words *words, FILE *out);
	} steps[] = {
		{ "ring", step_ring },         { "register", step_register }, { "export", step_export },
		{ "import", step_import },     { "control", step_control },   { "listen", step_listen },
		{ "accept", step_accept },     { "connect", step_connect },   { "send", step_send },
		{ "read", step_read },         { "digest", step_digest },     { "receive", step_receive },
		{ "cancel", step_cancel },     { "collect", step_collect },   { "return", step_return },
		{ "refill", step_refill },     { "publish", step_publish },   { "poke_head", step_poke_head },
		{ "state", step_state },       { "verify", step_verify },     { "shutdown", step_shutdown },
		{ "close", step_close },       { "unmap", step_unmap },       { "udp", step_udp },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (!strcmp(words->verb, steps[i].verb)) {
			steps[i].take(words, out);
			return;
		}
	}
	fail("there is no step '%s'", words->verb);
}

#endif
