// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcrx_rx IFNAME QUEUE ADDRESS PORT [--flows N] [--area B] [--rx-buf-len B] [--timeout S]
 *         [--seed S | --unchecked] [--no-device]
 * zcrx_rx --probe
 *
 * Binds QUEUE of IFNAME to an area of B bytes for io_uring zero-copy receive, accepts N TCP flows on ADDRESS PORT,
 * receives each to its end, returns every buffer through the refill ring and prints one JSON line:
 *
 *   flows       per flow the sender's port, the bytes and their SHA-256; with the sender's --seed also where they
 *               differ from what was sent (lib/expected.h)
 *   copy_bytes  the kernel's own count of payload it had to copy into the area because it did not lie there
 *               (struct zcrx_stats; null where the kernel keeps none). The kernel counts page fragments; payload
 *               that a driver puts behind the header in the linear part is copied uncounted, which is why
 *               hds-thresh 0 is a condition of registering.
 *   outstanding buffer references not given back, and left_in_refill_ring what the kernel did not take back (null
 *               where it cannot be asked to)
 *
 * --unchecked hashes nothing and prints empty hashes: nobody looks at the payload.
 * --no-device registers without a NIC (ZCRX_REG_NODEV): everything is copied, for a control run.
 * --probe only says what of zero-copy receive this kernel knows: {"recv_zc":true,...}.
 * Exit status 3: this queue cannot be bound (the reason is on stderr).
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <poll.h>
#include <unistd.h>

#include "lib/expected.h"
#include "lib/fail.h"
#include "lib/sha256.h"
#include "lib/sockets.h"
#include "lib/zcrx.h"

#define CANNOT_BIND_STATUS 3
#define REARM_LIMIT 10000 /* multishot requests ended by the kernel in a row, without a byte between */
#define UNREADABLE 8 /* an address */
#define NO_IFQ UINT32_MAX

struct flow {
	int fd;
	unsigned int port;
	uint64_t bytes;
	bool ended;
	struct sha256 hash;
	struct expected expected;
};

struct run {
	struct zcrx zcrx;
	struct flow *flows;
	unsigned long long flow_count;
	unsigned int ended;
	uint64_t completions, rearms, rearms_in_a_row;
	bool alloc_failed;
	bool seeded, hashed;
	unsigned long long seed;
};

static void accept_flows(struct run *run, int listener, double deadline)
{
	for (unsigned int i = 0; i < run->flow_count; i++) {
		struct pollfd wait = { .fd = listener, .events = POLLIN };
		double left = deadline - seconds_now();

		if (left <= 0 || poll(&wait, 1, left * 1000 + 1) != 1)
			fail("only %u of %llu flows came", i, run->flow_count);
		run->flows[i].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (run->flows[i].fd < 0)
			fail_errno("accept");
		run->flows[i].port = peer_port(run->flows[i].fd);
		sha256_begin(&run->flows[i].hash);
		if (run->seeded)
			expect_stream(&run->flows[i].expected, run->seed, run->flow_count);
		zcrx_receive(&run->zcrx, run->flows[i].fd, i, 0);
	}
}

static void rearm(struct run *run, unsigned int index, int result)
{
	run->rearms++;
	if (++run->rearms_in_a_row > REARM_LIMIT)
		fail("port %u: the kernel ends every receive with %s", run->flows[index].port,
		     error_name(-result));
	zcrx_receive(&run->zcrx, run->flows[index].fd, index, 0);
}

static void handle(struct run *run, const struct io_uring_cqe *cqe)
{
	struct flow *flow;

	if (cqe->user_data == ZCRX_EVENT_USER_DATA) {
		run->alloc_failed |= cqe->res == ZCRX_EVENT_ALLOC_FAIL;
		return;
	}
	flow = &run->flows[cqe->user_data];
	if (cqe->res > 0) {
		const unsigned char *payload = zcrx_payload(&run->zcrx, cqe);

		if (run->hashed)
			sha256_add(&flow->hash, payload, cqe->res);
		expected_compare(&flow->expected, payload, cqe->res);
		flow->bytes += cqe->res;
		run->completions++;
		run->rearms_in_a_row = 0;
		zcrx_return(&run->zcrx, cqe);
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	switch (cqe->res) {
	case 0:
		flow->ended = true;
		run->ended++;
		close(flow->fd);
		break;
	case -ENOMEM: /* no free buffer to copy into: those we returned may still lie in the refill ring */
		zcrx_flush(&run->zcrx);
		rearm(run, cqe->user_data, cqe->res);
		break;
	case -EAGAIN: /* no completion slot, or a signal: going on makes room */
	case -ENOSPC:
	case -ENOBUFS:
	case -EINTR:
		rearm(run, cqe->user_data, cqe->res);
		break;
	default:
		if (cqe->res < 0)
			fail_with(-cqe->res, "RECV_ZC from port %u after %llu bytes", flow->port,
				  (unsigned long long)flow->bytes);
		rearm(run, cqe->user_data, 0);
	}
}

static void report(struct run *run, double seconds)
{
	struct zcrx *zcrx = &run->zcrx;
	long left = zcrx_flush(zcrx);

	printf("{\"seconds\":%.6f,\"flows\":[", seconds);
	for (unsigned int i = 0; i < run->flow_count; i++) {
		char hex[SHA256_HEX] = "";

		if (run->hashed)
			sha256_end(&run->flows[i].hash, hex);
		printf("%s{\"port\":%u,\"bytes\":%llu,\"sha256\":\"%s\"", i ? "," : "", run->flows[i].port,
		       (unsigned long long)run->flows[i].bytes, hex);
		expected_print(&run->flows[i].expected, stdout);
		printf("}");
	}
	printf("],\"completions\":%llu,\"rearms\":%llu,\"alloc_failed\":%s,\"rx_buf_len\":%u,\"buffers\":%llu,",
	       (unsigned long long)run->completions, (unsigned long long)run->rearms,
	       run->alloc_failed ? "true" : "false", zcrx->rx_buf_len,
	       (unsigned long long)(zcrx->area_bytes / zcrx->rx_buf_len));
	if (zcrx->stats)
		printf("\"copy_count\":%llu,\"copy_bytes\":%llu,", (unsigned long long)zcrx->stats->copy_count,
		       (unsigned long long)zcrx->stats->copy_bytes);
	else
		printf("\"copy_count\":null,\"copy_bytes\":null,");
	printf("\"outstanding\":%llu,\"left_in_refill_ring\":", (unsigned long long)(zcrx->given - zcrx->returned));
	if (left < 0)
		printf("null}\n");
	else
		printf("%ld}\n", left);
}

/*
 * What of zero-copy receive this kernel knows, without a NIC and without anything registered: a registration whose area
 * cannot be read ends with EFAULT once all before the area is understood, with EINVAL if a word of it is not.
 */
static bool understands(struct zcrx *zcrx, struct io_uring_zcrx_ifq_reg reg)
{
	struct io_uring_region_desc region = { 0 };

	reg.rq_entries = 1;
	reg.region_ptr = (uintptr_t)&region;
	reg.area_ptr = UNREADABLE;
	return io_uring_register_ifq(&zcrx->ring, &reg) == -EFAULT;
}

/* Flush, export and the like: ENXIO says that only the IFQ is missing. */
static bool knows_control(struct zcrx *zcrx)
{
	struct zcrx_ctrl control = { .zcrx_id = NO_IFQ, .op = ZCRX_CTRL_FLUSH_RQ };

	return io_uring_register_zcrx_ctrl(&zcrx->ring, &control) == -ENXIO;
}

/* A ring whose completions have 16 or 32 bytes, each as it needs. */
static bool knows_mixed_completions(void)
{
	struct io_uring ring;
	int status = io_uring_queue_init(8, &ring, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
							   IORING_SETUP_CQE_MIXED);

	if (!status)
		io_uring_queue_exit(&ring);
	return !status;
}

/* Whether this kernel knows zero-copy receive at all. */
static bool knows_recv_zc(struct zcrx *zcrx)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&zcrx->ring);
	bool known;

	if (!probe)
		fail_errno("IORING_REGISTER_PROBE");
	known = io_uring_opcode_supported(probe, IORING_OP_RECV_ZC);
	io_uring_free_probe(probe);
	return known;
}

static void probe(struct zcrx *zcrx)
{
	const struct zcrx_event_desc events = { 0 };
	const struct {
		const char *name;
		bool known;
	} all[] = {
		{ "recv_zc", knows_recv_zc(zcrx) },
		{ "control", knows_control(zcrx) },
		{ "no_device", understands(zcrx, (struct io_uring_zcrx_ifq_reg){ .flags = ZCRX_REG_NODEV }) },
		{ "events", understands(zcrx, (struct io_uring_zcrx_ifq_reg){
			.event_desc = (uintptr_t)&events }) },
		{ "buffer_length", understands(zcrx, (struct io_uring_zcrx_ifq_reg){ .rx_buf_len = 4096 }) },
		{ "mixed_completions", knows_mixed_completions() },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		printf("%s\"%s\":%s", i ? "," : "{", all[i].name, all[i].known ? "true" : "false");
	printf("}\n");
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "flows", required_argument, NULL, 'f' },      { "area", required_argument, NULL, 'a' },
		{ "rx-buf-len", required_argument, NULL, 'l' }, { "timeout", required_argument, NULL, 't' },
		{ "no-device", no_argument, NULL, 'n' },        { "probe", no_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },          { "unchecked", no_argument, NULL, 'u' },
		{ 0 },
	};
	struct run run = { .flow_count = 1, .hashed = true };
	struct zcrx_options options = { .area_bytes = 16 << 20 };
	unsigned long long timeout = 60;
	const struct io_uring_cqe *cqe;
	struct address address;
	double deadline, start;
	int option, listener, status;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'f': run.flow_count = number_argument("--flows", optarg); break;
		case 'a': options.area_bytes = number_argument("--area", optarg); break;
		case 'l': options.rx_buf_len = number_argument("--rx-buf-len", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		case 'n': options.without_device = true; break;
		case 's':
			run.seed = number_argument("--seed", optarg);
			run.seeded = true;
			break;
		case 'u': run.hashed = false; break;
		case 'p':
			zcrx_create_ring(&run.zcrx);
			probe(&run.zcrx);
			return 0;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 4 || run.flow_count < 1 || run.flow_count > SQ_ENTRIES || (run.seeded && !run.hashed)) {
		fprintf(stderr, "usage: zcrx_rx IFNAME QUEUE ADDRESS PORT [--flows 1..%d] [--area B] "
				"[--rx-buf-len B] [--timeout S] [--seed S | --unchecked] [--no-device]\n",
			SQ_ENTRIES);
		return USAGE_STATUS;
	}
	options.ifname = argv[optind];
	options.queue = number_argument("QUEUE", argv[optind + 1]);
	address = parse_address(argv[optind + 2], number_argument("PORT", argv[optind + 3]));
	run.flows = calloc(run.flow_count, sizeof(*run.flows));
	if (!run.flows)
		fail_errno("memory for %llu flows", run.flow_count);

	zcrx_create_ring(&run.zcrx);
	status = zcrx_register(&run.zcrx, &options);
	if (status) {
		fprintf(stderr, "zcrx_rx: queue %u of %s cannot be bound: %s (%s)\n", options.queue,
			options.ifname, error_name(status), strerror(status));
		return CANNOT_BIND_STATUS;
	}
	/* Only now: a flow that came before would have had its first bytes received into ordinary memory. */
	listener = listen_on(&address, run.flow_count);
	deadline = seconds_now() + timeout;
	accept_flows(&run, listener, deadline);
	start = seconds_now();
	while (run.ended < run.flow_count) {
		if (seconds_now() > deadline)
			fail("%u of %llu flows ended in %llu s", run.ended, run.flow_count, timeout);
		zcrx_wait(&run.zcrx, 500);
		while ((cqe = zcrx_completion(&run.zcrx))) {
			handle(&run, cqe);
			zcrx_completion_done(&run.zcrx);
		}
	}
	if (*run.zcrx.ring.cq.koverflow)
		fail("%u completions overflowed the ring", *run.zcrx.ring.cq.koverflow);
	report(&run, seconds_now() - start);
	return 0;
}
