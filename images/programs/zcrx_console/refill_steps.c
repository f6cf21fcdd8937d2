// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <stdlib.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

static void step_return(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);
	size_t count = number_word(words, "count", ifq->held_count);
	bool keep = number_word(words, "keep", 0), publish = number_word(words, "publish", 1);
	bool by_threads = number_word(words, "threads", 0), unlocked = number_word(words, "unlocked", 0);
	bool same = number_word(words, "same", 0);
	uint64_t at = number_word(words, "at", 0); /* names the buffer by this byte of it */
	uint64_t add = number_word(words, "add", 0) | number_word(words, "area", 0) << IORING_ZCRX_AREA_SHIFT;
	uint32_t pad = number_word(words, "pad", 0);
	unsigned long returned = 0;

	if (count > ifq->held_count)
		fail("step return: only %zu buffers are held", ifq->held_count);
	adopt_tails();
	if (by_threads) {
		returned = ifq_return_by_threads(ifq, !unlocked, same);
		count = ifq->held_count;
	}
	for (size_t i = 0; !by_threads && i < count; i++) {
		const struct held *held = &ifq->held[ifq->held_count - 1 - i];
		uint64_t offset = at ? (held->offset & ~(uint64_t)(ifq->rx_buf_len - 1)) + at : held->offset;
		struct io_uring_zcrx_rqe rqe = ifq_entry(ifq, offset, held->bytes);

		rqe.off += add;
		rqe.__pad = pad;
		if (!ifq_write(ifq, rqe))
			break;
		returned++;
	}
	if (!keep)
		ifq->held_count -= count;
	if (publish)
		ifq_publish(ifq);
	fprintf(out, "{\"returned\":%lu,\"held\":%zu}\n", returned, ifq->held_count);
}

static void step_refill(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);
	uint64_t offset = number_word(words, "offset", number_word(words, "buffer", 0) * ifq->rx_buf_len);
	struct io_uring_zcrx_rqe rqe = {
		.off = offset | number_word(words, "token", ifq->token),
		.len = number_word(words, "bytes", ifq->rx_buf_len),
		.__pad = number_word(words, "pad", 0),
	};
	unsigned long times = number_word(words, "times", 1), written = 0;
	bool force = number_word(words, "force", 0), publish = number_word(words, "publish", 1);

	for (; written < times; written++) {
		if (force)
			ifq->rqes[ifq->tail++ % ifq->rq_entries] = rqe;
		else if (!ifq_write(ifq, rqe))
			break;
	}
	if (publish)
		ifq_publish(ifq);
	fprintf(out, "{\"written\":%lu}\n", written);
}

static void step_publish(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);

	ifq->tail += number_word(words, "ahead", 0);
	ifq_publish(ifq);
	answer_errno(out, 0);
}

static void step_poke_head(struct words *words, FILE *out)
{
	__atomic_store_n(ifq_of(words)->rq_head, number_word(words, "value", 0), __ATOMIC_RELEASE);
	answer_errno(out, 0);
}

static void step_state(struct words *words, FILE *out)
{
	const struct ifq *ifq = ifq_of(words);

	fprintf(out, "{\"head\":%u,\"tail\":%u,\"held\":%zu,\"copy_count\":%llu,\"copy_bytes\":%llu}\n",
		__atomic_load_n(ifq->rq_head, __ATOMIC_ACQUIRE), *ifq->rq_tail, ifq->held_count,
		(unsigned long long)(ifq->stats ? ifq->stats->copy_count : 0),
		(unsigned long long)(ifq->stats ? ifq->stats->copy_bytes : 0));
}

/* How many buffers changed while they were ours, and the different ones among them. */
static void step_verify(struct words *words, FILE *out)
{
	const struct ifq *ifq = ifq_of(words);
	unsigned int changed = 0, different = 0;
	unsigned char *seen = calloc(ifq->area_bytes / ifq->rx_buf_len + 1, 1);

	for (size_t i = 0; i < ifq->held_count; i++) {
		const struct held *held = &ifq->held[i];
		uint64_t start = held->offset & ~IORING_ZCRX_AREA_MASK;

		changed += checksum(ifq->area + start, held->bytes) != held->check;
		different += !seen[start / ifq->rx_buf_len];
		seen[start / ifq->rx_buf_len] = 1;
	}
	free(seen);
	fprintf(out, "{\"held\":%zu,\"changed\":%u,\"buffers\":%u}\n", ifq->held_count, changed, different);
}

const struct step refill_steps[] = {
	{ "return", step_return },
	{ "refill", step_refill },
	{ "publish", step_publish },
	{ "poke_head", step_poke_head },
	{ "state", step_state },
	{ "verify", step_verify },
	{ 0 },
};
