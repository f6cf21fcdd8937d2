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
 *   unmap M                            gives its pages back, if nobody else holds them
 *   fill M OFFSET BYTES SEED           hash M OFFSET BYTES
 *   table SLOTS                        slot I M OFFSET BYTES      empty I
 *   group G ENTRIES [inc]              provide G INDEX OFFSET BYTES ID
 *   buffers G M OFFSET BYTES ID        one buffer of memory M by IORING_OP_PROVIDE_BUFFERS
 *   consumed G                         entry G I: index, offset and bytes as they are now
 *   send S key=value... word...        queues a send. user= len=; from group=, from slot= and offset=, or from
 *                                      mem= and offset=. Words: bundle report async waitall dontwait vectorized
 *                                      sendmsg fixed unfixed, linked: the next one waits for this, more: it goes
 *                                      out with the next one
 *   submit                             completions COUNT (waits)  settle MS (whatever comes within that time)
 *   end                                closes the ring
 *
 * --probe: {"provided_registered":true} where this kernel sends from provided registered buffers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/sendzc.h"
#include "lib/sockets.h"
#include "sendzc_console/script.h"

#define RING_FLAGS (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

struct region {
	unsigned char *start;
	size_t bytes;
};

static struct io_uring ring;
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

static struct region new_region(size_t bytes)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);

	if (address == MAP_FAILED)
		fail_errno("mmap of %zu bytes", bytes);
	return (struct region){ address, bytes };
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
	else if (!strcmp(word, "linked"))
		sqe->flags |= IOSQE_IO_LINK;
	else if (!strcmp(word, "waitall"))
		sqe->msg_flags |= MSG_WAITALL;
	else if (!strcmp(word, "dontwait"))
		sqe->msg_flags |= MSG_DONTWAIT;
	else if (!strcmp(word, "more"))
		sqe->msg_flags |= MSG_MORE;
	else if (!strcmp(word, "sendmsg"))
		sqe->opcode = IORING_OP_SENDMSG_ZC;
	else
		fail("send: what is '%s'?", word);
}

static void open_ring(unsigned int entries, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags | IORING_SETUP_CQSIZE, .cq_entries = 4 * entries };
	int status = io_uring_queue_init_params(entries, &ring, &params);

	if (status)
		fail_with(-status, "io_uring_setup");
}

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe)
		fail("submission ring full");
	return sqe;
}

static void queue_send(void)
{
	struct io_uring_sqe *sqe = next_sqe();
	const struct region *source = NULL;
	unsigned long long offset = 0;

	io_uring_prep_send_zc(sqe, *socket_at(1), NULL, 0, 0, 0);
	io_uring_sqe_set_data64(sqe, 0); /* liburing leaves that of the entry's last use */
	for (unsigned int i = 2; i < word_count; i++) {
		char *equals = strchr(words[i], '=');
		unsigned long long value;

		if (!equals) {
			send_word(sqe, words[i]);
			continue;
		}
		*equals = '\0';
		value = number_argument(words[i], equals + 1);
		if (!strcmp(words[i], "user")) {
			sqe->user_data = value;
		} else if (!strcmp(words[i], "len")) {
			sqe->len = value;
		} else if (!strcmp(words[i], "offset")) {
			offset = value;
		} else if (!strcmp(words[i], "group")) {
			sqe->flags |= IOSQE_BUFFER_SELECT;
			sqe->buf_group = value;
			sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
		} else if (!strcmp(words[i], "slot") && value < MOST) {
			sqe->buf_index = value;
			sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
			source = &slots[value];
		} else if (!strcmp(words[i], "mem") && value < MOST) {
			source = &memories[value];
		} else {
			fail("send: what is %s=%llu?", words[i], value);
		}
	}
	if (source)
		sqe->addr = (uintptr_t)source->start + offset;
}

static void print_completion(const struct io_uring_cqe *cqe, bool first)
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

/* Submits what is queued and waits up to `milliseconds` for a completion. Returns 0 or the errno. */
static int submit_and_wait(unsigned int milliseconds)
{
	struct __kernel_timespec timeout = { .tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000 };
	struct io_uring_cqe *cqe;
	int status = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &timeout, NULL);

	return status >= 0 || status == -ETIME || status == -EINTR ? 0 : -status;
}

/* Completions in the order they came: `wanted` of them, or -1 for those that come until `until`. */
static void completions(unsigned int wanted, double until)
{
	unsigned int count = 0;
	int error = 0;

	printf("{\"do\":\"%s\",\"completions\":[", words[0]);
	while (count < wanted && !error) {
		struct io_uring_cqe *cqe;

		if (!io_uring_peek_cqe(&ring, &cqe)) {
			print_completion(cqe, !count++);
			io_uring_cqe_seen(&ring, cqe);
			continue;
		}
		if (seconds_now() > until && wanted != -1U)
			fail("%u of %u completions came", count, wanted);
		if (seconds_now() > until)
			break;
		error = submit_and_wait(10);
	}
	printf("],\"error\":");
	if (error)
		printf("\"%s\"", error_name(error));
	else
		printf("null");
}

/* A group of the older kind, which has no ring. Returns 0 or the errno. */
static int provide_plain(unsigned int group, struct region buffer, unsigned int id)
{
	struct io_uring_sqe *sqe = next_sqe();
	struct io_uring_cqe *cqe;
	int status;

	io_uring_prep_provide_buffers(sqe, buffer.start, buffer.bytes, 1, group, id);
	status = io_uring_submit_and_wait(&ring, 1);
	if (status < 0 || io_uring_peek_cqe(&ring, &cqe))
		fail("the buffers were not taken");
	status = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return status < 0 ? -status : 0;
}

/* The group that word 1 names; ends the program if it was never opened. */
static struct sendzc_group *open_group(void)
{
	struct sendzc_group *group = &groups[place(1)];

	if (!group->ring)
		fail("%s: group %s is not open", words[0], words[1]);
	return group;
}

static void answer_entry(void)
{
	const struct sendzc_group *group = open_group();
	const struct io_uring_buf *entry = &group->ring->bufs[number(2) % group->entries];

	answer(0);
	printf(",\"index\":%llu,\"offset\":%llu,\"bytes\":%u", entry->addr & ((1ULL << SENDZC_INDEX_BITS) - 1),
	       entry->addr >> SENDZC_INDEX_BITS, entry->len);
}

static bool memory_step(void)
{
	struct region where;
	struct sha256 hash;

	if (step_is("memory")) {
		where = new_region(number(2));
		memories[place(1)] = where;
		fill(where.start, where.bytes, number(3));
		answer(0);
	} else if (step_is("unmap")) {
		where = memories[place(1)];
		memories[place(1)] = (struct region){ 0 };
		answer(munmap(where.start, where.bytes) ? errno : 0);
	} else if (step_is("fill")) {
		where = part(1);
		fill(where.start, where.bytes, number(4));
		answer(0);
	} else if (step_is("hash")) {
		where = part(1);
		sha256_begin(&hash);
		sha256_add(&hash, where.start, where.bytes);
		answer_hash(0, where.bytes, &hash);
	} else if (step_is("table")) {
		answer(-io_uring_register_buffers_sparse(&ring, number(1)));
	} else if (step_is("slot")) {
		where = slots[place(1)] = part(2);
		answer(sendzc_slot(&ring, number(1), where.start, where.bytes));
	} else if (step_is("empty")) {
		answer(sendzc_slot(&ring, number(1), NULL, 0));
	} else {
		return false;
	}
	return true;
}

static void ring_step(void)
{
	if (step_is("ring")) {
		open_ring(number(1), word_count > 2 ? 0 : RING_FLAGS);
		answer(0);
	} else if (step_is("group")) {
		answer(sendzc_group_open(&ring, &groups[place(1)], number(1), number(2), word_count > 3));
	} else if (step_is("provide")) {
		sendzc_provide(open_group(),
			       (struct sendzc_entry){ number(2), number(3), number(4), number(5) });
		answer(0);
	} else if (step_is("buffers")) {
		answer(provide_plain(number(1), part(2), number(5)));
	} else if (step_is("consumed")) {
		uint16_t count = 0;

		answer(-io_uring_buf_ring_head(&ring, number(1), &count));
		printf(",\"count\":%u", count);
	} else if (step_is("entry")) {
		answer_entry();
	} else if (step_is("send")) {
		queue_send();
		answer(0);
	} else if (step_is("submit")) {
		int submitted = io_uring_submit_and_get_events(&ring);

		answer(submitted < 0 ? -submitted : 0);
		printf(",\"count\":%d", submitted < 0 ? 0 : submitted);
	} else if (step_is("completions")) {
		completions(number(1), deadline - 1);
	} else if (step_is("settle")) {
		completions(-1U, seconds_now() + number(1) / 1e3);
	} else if (step_is("end")) {
		io_uring_queue_exit(&ring);
		answer(0);
	} else {
		fail("no step is called '%s'", words[0]);
	}
}

static int probe(void)
{
	struct io_uring_cqe *cqe;
	int error;

	open_ring(4, RING_FLAGS);
	/* Kernels that cannot say so before they look at the file descriptor. */
	sendzc_from_group(next_sqe(), -1, 0, 0, true);
	error = submit_and_wait(1000);
	if (error)
		fail_with(error, "io_uring_enter");
	if (io_uring_peek_cqe(&ring, &cqe))
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
