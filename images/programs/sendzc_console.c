// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendzc_console [--timeout S] | --probe
 *
 * Zero-copy send in single steps. Reads one step a line from standard input and prints one JSON object for each:
 * {"do":"<the step's name>","error":null or an errno's name, ...}. Numbers may end in K, M or G.
 *
 *   listen ADDRESS PORT [RCVBUF]       accept S                   connect S ADDRESS PORT [SNDBUF]
 *   read S BYTES | drain S             hash of the next BYTES bytes, or of all to the end of the stream
 *   tell S | await S                   one byte, so that both ends take their turns
 *   stuff S                            writes until the socket takes no more: bytes and their hash
 *   shutdown S | close S | reset S     FIN, FIN of a socket without readers, RST
 *   ring ENTRIES [plain]               plain: without IORING_SETUP_DEFER_TASKRUN
 *   memory M BYTES SEED                a page-aligned region of pseudo-random bytes
 *   fill M OFFSET BYTES SEED           hash M OFFSET BYTES
 *   table SLOTS                        slot I M OFFSET BYTES      empty I
 *   group G ENTRIES [inc]              provide G INDEX OFFSET BYTES ID
 *   consumed G                         entry G I: index, offset and bytes as they are now
 *   send S key=value... word...        queues a send. user= len=; from group=, from slot= and offset=, or from
 *                                      mem= and offset=. Words: bundle report async waitall dontwait vectorized
 *                                      sendmsg fixed unfixed
 *   submit                             completions COUNT (waits)  settle MS (whatever comes within that time)
 *   end                                closes the ring
 *
 * --probe: {"provided_registered":true} where this kernel sends from provided registered buffers.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>

#include "sendzc.h"
#include "sendzc_script.h"

#define RING_FLAGS (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

struct region {
	unsigned char *start;
	size_t bytes;
};

static struct sendzc_ring ring;
static struct sendzc_group groups[MOST];
static struct region memories[MOST], slots[MOST];

/* The part of a memory that three words from `position` on name. */
static struct region part(unsigned int position)
{
	struct region *memory = &memories[place(position)];
	unsigned long long offset = number(position + 1), bytes = number(position + 2);

	if (offset > memory->bytes || bytes > memory->bytes - offset)
		fail("%s: %llu bytes at %llu leave the memory", words[0], bytes, offset);
	return (struct region){ memory->start + offset, bytes };
}

static void send_word(struct io_uring_sqe *sqe, const char *word)
{
	if (!strcmp(word, "bundle"))
		sqe->ioprio |= IORING_RECVSEND_BUNDLE;
	else if (!strcmp(word, "report"))
		sqe->ioprio |= IORING_SEND_ZC_REPORT_USAGE;
	else if (!strcmp(word, "vectorized"))
		sqe->ioprio |= IORING_SEND_VECTORIZED;
	else if (!strcmp(word, "fixed"))
		sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	else if (!strcmp(word, "unfixed"))
		sqe->ioprio &= ~IORING_RECVSEND_FIXED_BUF;
	else if (!strcmp(word, "async"))
		sqe->flags |= IOSQE_ASYNC;
	else if (!strcmp(word, "waitall"))
		sqe->msg_flags |= MSG_WAITALL;
	else if (!strcmp(word, "dontwait"))
		sqe->msg_flags |= MSG_DONTWAIT;
	else if (!strcmp(word, "sendmsg"))
		sqe->opcode = IORING_OP_SENDMSG_ZC;
	else
		fail("send: what is '%s'?", word);
}

static void queue_send(void)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_SEND_ZC, .fd = *socket_at(1) };
	const struct region *source = NULL;
	unsigned long long offset = 0;

	for (unsigned int i = 2; i < word_count; i++) {
		char *equals = strchr(words[i], '=');
		unsigned long long value;

		if (!equals) {
			send_word(&sqe, words[i]);
			continue;
		}
		*equals = '\0';
		value = number_argument(words[i], equals + 1);
		if (!strcmp(words[i], "user")) {
			sqe.user_data = value;
		} else if (!strcmp(words[i], "len")) {
			sqe.len = value;
		} else if (!strcmp(words[i], "offset")) {
			offset = value;
		} else if (!strcmp(words[i], "group")) {
			sqe.flags |= IOSQE_BUFFER_SELECT;
			sqe.buf_group = value;
			sqe.ioprio |= IORING_RECVSEND_FIXED_BUF;
		} else if (!strcmp(words[i], "slot") && value < MOST) {
			sqe.buf_index = value;
			sqe.ioprio |= IORING_RECVSEND_FIXED_BUF;
			source = &slots[value];
		} else if (!strcmp(words[i], "mem") && value < MOST) {
			source = &memories[value];
		} else {
			fail("send: what is %s=%llu?", words[i], value);
		}
	}
	if (source)
		sqe.addr = (uintptr_t)source->start + offset;
	sendzc_queue(&ring, &sqe);
}

static void say_completion(const struct io_uring_cqe *cqe, bool first)
{
	const bool notification = cqe->flags & IORING_CQE_F_NOTIF;

	printf("%s{\"user\":%llu,\"res\":%d,\"error\":", first ? "" : ",", cqe->user_data, cqe->res);
	if (cqe->res < 0 && !notification)
		printf("\"%s\"", error_name(-cqe->res));
	else
		printf("null");
	printf(",\"more\":%s,\"notification\":%s,\"copied\":%s,\"buffer_more\":%s,\"buffer\":",
	       cqe->flags & IORING_CQE_F_MORE ? "true" : "false", notification ? "true" : "false",
	       notification && (unsigned int)cqe->res & IORING_NOTIF_USAGE_ZC_COPIED ? "true" : "false",
	       cqe->flags & IORING_CQE_F_BUF_MORE ? "true" : "false");
	if (cqe->flags & IORING_CQE_F_BUFFER)
		printf("%u}", cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	else
		printf("null}");
}

/* Completions in the order they came: `wanted` of them, or -1 for those that come until `until`. */
static void completions(unsigned int wanted, double until)
{
	unsigned int count = 0;
	int error = 0;

	printf("{\"do\":\"%s\",\"completions\":[", words[0]);
	while (count < wanted && error >= 0) {
		const struct io_uring_cqe *cqe = sendzc_completion(&ring);

		if (cqe) {
			say_completion(cqe, !count++);
			sendzc_completion_done(&ring);
			continue;
		}
		if (seconds_now() > until && wanted != -1U)
			fail("%u of %u completions came", count, wanted);
		if (seconds_now() > until)
			break;
		error = sendzc_enter(&ring, 1, 10);
	}
	printf("],\"error\":");
	if (error < 0)
		printf("\"%s\"", error_name(-error));
	else
		printf("null");
}

static void say_entry(void)
{
	const struct sendzc_group *group = &groups[place(1)];
	const struct io_uring_buf *entry = &group->ring->bufs[number(2) % group->entries];

	say(0);
	printf(",\"index\":%llu,\"offset\":%llu,\"bytes\":%u", entry->addr & ((1ULL << SENDZC_INDEX_BITS) - 1),
	       entry->addr >> SENDZC_INDEX_BITS, entry->len);
}

static bool memory_step(void)
{
	struct region where;
	struct sha256 hash;

	if (is("memory")) {
		where = (struct region){ sendzc_memory(number(2)), number(2) };
		memories[place(1)] = where;
		fill(where.start, where.bytes, number(3));
		say(0);
	} else if (is("fill")) {
		where = part(1);
		fill(where.start, where.bytes, number(4));
		say(0);
	} else if (is("hash")) {
		where = part(1);
		sha256_begin(&hash);
		sha256_add(&hash, where.start, where.bytes);
		say_hash(0, where.bytes, &hash);
	} else if (is("table")) {
		say(sendzc_table(ring.fd, number(1)));
	} else if (is("slot")) {
		where = slots[place(1)] = part(2);
		say(sendzc_slot(ring.fd, number(1), where.start, where.bytes));
	} else if (is("empty")) {
		say(sendzc_slot(ring.fd, number(1), NULL, 0));
	} else {
		return false;
	}
	return true;
}

static void ring_step(void)
{
	if (is("ring")) {
		sendzc_ring_open(&ring, number(1), word_count > 2 ? 0 : RING_FLAGS);
		say(0);
	} else if (is("group")) {
		say(sendzc_group_open(ring.fd, &groups[place(1)], number(1), number(2), word_count > 3));
	} else if (is("provide")) {
		sendzc_provide(&groups[place(1)],
			       (struct sendzc_entry){ number(2), number(3), number(4), number(5) });
		say(0);
	} else if (is("consumed")) {
		uint32_t count;
		int error = sendzc_consumed(ring.fd, number(1), &count);

		say(error);
		printf(",\"count\":%u", count);
	} else if (is("entry")) {
		say_entry();
	} else if (is("send")) {
		queue_send();
		say(0);
	} else if (is("submit")) {
		int submitted = sendzc_enter(&ring, 0, 0);

		say(submitted < 0 ? -submitted : 0);
		printf(",\"count\":%d", submitted < 0 ? 0 : submitted);
	} else if (is("completions")) {
		completions(number(1), deadline - 1);
	} else if (is("settle")) {
		completions(-1U, seconds_now() + number(1) / 1e3);
	} else if (is("end")) {
		say(close(ring.fd) ? errno : 0);
	} else {
		fail("no step is called '%s'", words[0]);
	}
}

static int probe(void)
{
	const struct io_uring_cqe *cqe;
	struct io_uring_sqe sqe;

	sendzc_ring_open(&ring, 4, RING_FLAGS);
	/* Kernels that cannot say so before they look at the file descriptor. */
	sendzc_from_group(&sqe, -1, 0, 0, true);
	sendzc_queue(&ring, &sqe);
	if (sendzc_enter(&ring, 1, 1000) < 0)
		fail_errno("io_uring_enter");
	cqe = sendzc_completion(&ring);
	if (!cqe)
		fail("the probe did not complete");
	printf("{\"provided_registered\":%s}\n", cqe->res == -EBADF ? "true" : "false");
	return 0;
}

static void too_late(int signal_number)
{
	static const char text[] = "sendzc_console: the time is up\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal_number;
	(void)written;
	_exit(1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "probe", no_argument, NULL, 'p' },
		{ 0 },
	};
	unsigned long long timeout = 60;
	char line[512];
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't': timeout = number_argument("--timeout", optarg); break;
		case 'p': return probe();
		default: return USAGE_STATUS;
		}
	}
	deadline = seconds_now() + timeout;
	signal(SIGALRM, too_late);
	alarm(timeout);
	while (fgets(line, sizeof(line), stdin)) {
		word_count = 0;
		for (char *word = strtok(line, " \n"); word && word_count < MOST_WORDS; word = strtok(NULL, " \n"))
			words[word_count++] = word;
		if (!word_count)
			continue;
		if (!network_step() && !memory_step())
			ring_step();
		printf("}\n");
		fflush(stdout);
	}
	return 0;
}
