// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/fail.h"
#include "zcrx_console/objects.h"

#define CANCEL_USER_DATA (UINT64_C(1) << 62)

static void step_receive(struct words *words, FILE *out)
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

static void step_cancel(struct words *words, FILE *out)
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
	unsigned int run, longest; /* completions of one socket in a row */
	const struct flow *latest;
	char ends_text[2048], events_text[512];
	size_t ends_length, events_length;
};

static void append_text(char *text, size_t size, size_t *length, const char *format, int a, int b,
			       const char *name)
{
	int more = snprintf(text + *length, size - *length, format, *length ? "," : "", a, b, name);

	if (more < 0 || *length + more >= size)
		fail("more ends or events than an answer holds");
	*length += more;
}

static void collect_one(struct collected *all, const struct io_uring_cqe *cqe)
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

		take_bytes(flow, payload, cqe->res);
		all->bytes += cqe->res;
		all->completions++;
		all->run = flow == all->latest ? all->run + 1 : 1;
		all->longest = all->run > all->longest ? all->run : all->longest;
		all->latest = flow;
		/* What does not fit into a full refill ring is kept, too. */
		if ((half->off & ~IORING_ZCRX_AREA_MASK) / ifq->rx_buf_len < all->hold_below ||
		    !ifq_return(ifq, ifq_entry(ifq, half->off, cqe->res), 1))
			ifq_hold(ifq, half->off, cqe->res);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		all->ends++;
		append_text(all->ends_text, sizeof(all->ends_text), &all->ends_length,
			    "%s{\"socket\":%d,\"result\":%d,\"errno\":\"%s\"}", cqe->user_data % SOCKETS, cqe->res,
			    cqe->res < 0 ? error_name(-cqe->res) : "");
	}
}

static void step_collect(struct words *words, FILE *out)
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
	fprintf(out, "{\"bytes\":%llu,\"completions\":%u,\"complete\":%s,\"overflow\":%u,\"longest\":%u,"
		"\"ends\":[%s],\"events\":[%s]}\n", (unsigned long long)all.bytes, all.completions,
		done ? "true" : "false", *ring->cq_overflow, all.longest, all.ends_text, all.events_text);
}

const struct step receive_steps[] = {
	{ "receive", step_receive },
	{ "cancel", step_cancel },
	{ "collect", step_collect },
	{ 0 },
};
