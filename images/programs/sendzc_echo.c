// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendzc_echo IFNAME QUEUE ADDRESS PORT PEER PEER-PORT [--area B] [--budget B] [--timeout S]
 *
 * Zero-copy receive and send on one thread and one ring: accepts a TCP flow on ADDRESS PORT, receives it by zcrx on
 * QUEUE of IFNAME, and sends the very same memory on to PEER PEER-PORT. The zcrx area is registered buffer 0, too; each
 * piece that arrives becomes an entry of a ring of provided buffers, and bundles of these are sent by SEND_ZC. A piece
 * goes back through the refill ring when its bundle's notification says that nothing reads it any more. Needs a kernel
 * with kernels/series/provided-registered-buffers. Prints one JSON line:
 *
 *   received, sent   bytes and SHA-256 of the flow in, bytes out
 *   bundles          sends that were made; entries: pieces in them
 *   copy_bytes       the kernel's count of payload it had to copy into the area (null where it keeps none)
 *   outstanding      pieces not given back; left_in_refill_ring: see zcrx_rx
 *
 * --budget limits how many bytes of pieces wait to be sent or for their notification before receiving pauses.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <poll.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/sendzc.h"
#include "lib/sha256.h"
#include "lib/sockets.h"
#include "lib/zcrx.h"

#define GROUP 1
#define ENTRIES 8192
#define AREA_SLOT 0
#define RECEIVE 1ULL
#define SEND 2ULL
#define RECEIVE_BYTES (1 << 20) /* one RECV_ZC, so that the sender can slow us down */
#define BUNDLE_BYTES (256 << 10)
#define MOST_BUNDLES 4096

/* A piece of the flow: what gives it back. The ring of entries is in the order of the flow. */
struct piece {
	struct io_uring_cqe cqe;
	struct io_uring_zcrx_cqe half;
};

/* A bundle: its pieces follow those of the bundle before. */
struct bundle {
	unsigned int pieces, bytes;
	bool done, free;
};

struct echo {
	struct zcrx zcrx;
	struct sendzc_group group;
	struct piece pieces[ENTRIES];
	struct bundle bundles[MOST_BUNDLES];
	uint64_t arrived, picked, freed; /* pieces, counted from the start */
	uint64_t made, reaped; /* bundles, likewise */
	uint64_t received, sent, waiting, budget;
	struct sha256 hash;
	int in, out;
	bool receiving, sending, ended;
};

static struct echo echo;

static void receive(void)
{
	zcrx_receive(&echo.zcrx, echo.in, RECEIVE, RECEIVE_BYTES);
	echo.receiving = true;
}

static void send_bundle(void)
{
	struct io_uring_sqe *sqe = zcrx_next_sqe(&echo.zcrx);

	sendzc_from_group(sqe, echo.out, GROUP, BUNDLE_BYTES, true);
	sqe->user_data = SEND;
	sqe->addr3 = SEND + 1 + echo.made;
	echo.sending = true;
}

static void received(const struct io_uring_cqe *cqe)
{
	struct piece *piece = &echo.pieces[echo.arrived % ENTRIES];
	const unsigned char *payload;

	if (cqe->res > 0) {
		if (echo.arrived - echo.freed == ENTRIES)
			fail("more than %d pieces wait", ENTRIES);
		payload = zcrx_payload(&echo.zcrx, cqe);
		sha256_add(&echo.hash, payload, cqe->res);
		memcpy(piece, cqe, sizeof(*piece));
		sendzc_provide(&echo.group, (struct sendzc_entry){ AREA_SLOT, payload - echo.zcrx.area, cqe->res,
								   echo.arrived % ENTRIES });
		echo.arrived++;
		echo.received += cqe->res;
		echo.waiting += cqe->res;
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	echo.receiving = false;
	/* 0 without F_MORE is the end of the flow as well as that of a request's bytes: the socket knows. */
	if (cqe->res < 0 && cqe->res != -ENOSPC && cqe->res != -ENOMEM)
		fail_with(-cqe->res, "RECV_ZC after %llu bytes", (unsigned long long)echo.received);
	if (cqe->res == 0) {
		char byte;

		echo.ended = recv(echo.in, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
	}
}

/* The result of the one send under way: which pieces it was. */
static void bundle_sent(const struct io_uring_cqe *cqe)
{
	struct bundle *bundle = &echo.bundles[echo.made % MOST_BUNDLES];
	unsigned int bytes = cqe->res;

	echo.sending = false;
	if (cqe->res < 0)
		fail_with(-cqe->res, "SEND_ZC after %llu bytes", (unsigned long long)echo.sent);
	if (!(cqe->flags & IORING_CQE_F_BUFFER) || cqe->flags >> IORING_CQE_BUFFER_SHIFT != echo.picked % ENTRIES)
		fail("a bundle begins with another buffer than the next one (flags %#x)", cqe->flags);
	if (echo.made - echo.reaped == MOST_BUNDLES)
		fail("%d notifications did not come", MOST_BUNDLES);
	*bundle = (struct bundle){ .bytes = bytes };
	while (bytes) {
		unsigned int piece = echo.pieces[echo.picked++ % ENTRIES].cqe.res;

		if (piece > bytes)
			fail("a bundle of %d bytes ends within a piece", cqe->res);
		bytes -= piece;
		bundle->pieces++;
	}
	echo.made++;
	echo.sent += cqe->res;
}

/* Notifications come in any order; pieces go back in theirs. */
static void bundle_free(const struct io_uring_cqe *cqe)
{
	uint64_t which = cqe->user_data - SEND - 1;

	if (which < echo.reaped || which >= echo.made || echo.bundles[which % MOST_BUNDLES].free)
		fail("a notification for bundle %llu", (unsigned long long)which);
	echo.bundles[which % MOST_BUNDLES].free = true;
	while (echo.reaped < echo.made && echo.bundles[echo.reaped % MOST_BUNDLES].free) {
		struct bundle *bundle = &echo.bundles[echo.reaped++ % MOST_BUNDLES];

		bundle->free = false;
		echo.waiting -= bundle->bytes;
		while (bundle->pieces--)
			zcrx_return(&echo.zcrx, &echo.pieces[echo.freed++ % ENTRIES].cqe);
	}
}

static void completion(const struct io_uring_cqe *cqe)
{
	if (cqe->user_data == ZCRX_EVENT_USER_DATA)
		return;
	if (cqe->user_data == RECEIVE)
		received(cqe);
	else if (cqe->flags & IORING_CQE_F_NOTIF)
		bundle_free(cqe);
	else
		bundle_sent(cqe);
}

static void run(double deadline)
{
	while (!echo.ended || echo.freed < echo.arrived) {
		const struct io_uring_cqe *cqe;

		if (seconds_now() > deadline)
			fail("received %llu bytes, sent %llu, %llu pieces are out", (unsigned long long)echo.received,
			     (unsigned long long)echo.sent, (unsigned long long)(echo.arrived - echo.freed));
		if (!echo.receiving && !echo.ended && echo.waiting < echo.budget)
			receive();
		if (!echo.sending && echo.picked < echo.arrived)
			send_bundle();
		zcrx_wait(&echo.zcrx, 1000);
		while ((cqe = zcrx_completion(&echo.zcrx))) {
			completion(cqe);
			zcrx_completion_done(&echo.zcrx);
		}
	}
}

static void report(double seconds)
{
	long left = zcrx_flush(&echo.zcrx);
	char hex[SHA256_HEX];

	sha256_end(&echo.hash, hex);
	printf("{\"seconds\":%.6f,\"received\":%llu,\"sha256\":\"%s\",\"sent\":%llu,\"bundles\":%llu,"
	       "\"entries\":%llu,\"copy_bytes\":",
	       seconds, (unsigned long long)echo.received, hex, (unsigned long long)echo.sent,
	       (unsigned long long)echo.made, (unsigned long long)echo.picked);
	if (echo.zcrx.stats)
		printf("%llu", (unsigned long long)echo.zcrx.stats->copy_bytes);
	else
		printf("null");
	printf(",\"outstanding\":%llu,\"left_in_refill_ring\":",
	       (unsigned long long)(echo.zcrx.given - echo.zcrx.returned));
	if (left < 0)
		printf("null}\n");
	else
		printf("%ld}\n", left);
}

static void must(int error, const char *what)
{
	if (error)
		fail_with(error, "%s", what);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "area", required_argument, NULL, 'a' },
		{ "budget", required_argument, NULL, 'b' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	struct zcrx_options zcrx = { .area_bytes = 16 << 20 };
	unsigned long long timeout = 60;
	struct address here, peer;
	struct pollfd wait = { .events = POLLIN };
	double deadline, start;
	int option;

	echo.budget = 2 << 20;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a': zcrx.area_bytes = number_argument("--area", optarg); break;
		case 'b': echo.budget = number_argument("--budget", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 6) {
		fprintf(stderr, "usage: sendzc_echo IFNAME QUEUE ADDRESS PORT PEER PEER-PORT [--area B] [--budget B] "
				"[--timeout S]\n");
		return USAGE_STATUS;
	}
	zcrx.ifname = argv[optind];
	zcrx.queue = number_argument("QUEUE", argv[optind + 1]);
	here = parse_address(argv[optind + 2], number_argument("PORT", argv[optind + 3]));
	peer = parse_address(argv[optind + 4], number_argument("PEER-PORT", argv[optind + 5]));
	deadline = seconds_now() + timeout;

	zcrx_create_ring(&echo.zcrx);
	must(zcrx_register(&echo.zcrx, &zcrx), "IORING_REGISTER_ZCRX_IFQ");
	must(-io_uring_register_buffers_sparse(&echo.zcrx.ring, 1), "table of registered buffers");
	must(sendzc_slot(&echo.zcrx.ring, AREA_SLOT, echo.zcrx.area, echo.zcrx.area_bytes), "registering the area");
	must(sendzc_group_open(&echo.zcrx.ring, &echo.group, GROUP, ENTRIES, false), "ring of provided buffers");
	sha256_begin(&echo.hash);
	wait.fd = listen_on(&here, 1);
	echo.out = connect_until(&peer, 0, deadline);
	if (poll(&wait, 1, (deadline - seconds_now()) * 1000 + 1) != 1)
		fail("no flow came");
	echo.in = accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC);
	if (echo.in < 0)
		fail_errno("accept");
	start = seconds_now();
	run(deadline);
	if (shutdown(echo.out, SHUT_WR))
		fail_errno("shutdown");
	report(seconds_now() - start);
	return 0;
}
