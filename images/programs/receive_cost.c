// SPDX-License-Identifier: GPL-2.0-only
/*
 * receive_cost METHOD ADDRESS PORT [--from PORT] [--bytes B] [--runs N] [--cpu C] [--ifname I] [--queue Q]
 *              [--area B] [--rx-buf-len B]
 *
 * What receiving costs, by METHOD:
 *
 *   epoll   epoll_wait() and recv()
 *   mmap    epoll_wait() and TCP_ZEROCOPY_RECEIVE: whole pages are mapped, the rest is copied
 *   zcrx    io_uring zero-copy receive, on queue Q of interface I
 *   devmem  device memory TCP, into a dmabuf made of ordinary memory, on queue Q of interface I
 *
 * Run i connects to ADDRESS PORT + i, where devmodel.net.source answers a request for B bytes with as many bytes of a
 * pattern. The first run compares every byte with it, and it and the second are there to warm up; in the others
 * nobody looks at the data, and a window for the instruction counter is open from before the request to the end of the
 * stream.
 * Prints one JSON line: per run the bytes, those that were copied by the kernel (null where it does not say), the
 * calls made to receive them, and the seconds of the guest's clock.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <linux/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/devmem.h"
#include "lib/devmem_socket.h"
#include "lib/fail.h"
#include "lib/sockets.h"
#include "lib/zcrx.h"

#define PATTERN_WORDS 8191
#define PATTERN_BYTES (PATTERN_WORDS * 8)
#define PATTERN_SEED 1
#define RECV_BYTES (256 * 1024)
#define MAP_BYTES (512 * 1024)
#define RUNS_MAX 8
#define WARM_UP_RUNS 2

struct run {
	uint64_t bytes, copied, calls;
	double seconds;
};

struct receiver {
	int fd, epoll;
	bool verify;
	uint64_t expected;
	struct run *run;
	struct zcrx zcrx;
	struct devmem_buffer device_memory;
	unsigned char *mapping;
};

/*
 * Opens and closes the window in which the TCG plugin counts instructions (images/plugins/insn_count.c): a NOP with a
 * mark in its displacement. Without the plugin, or on a real CPU, it does nothing.
 */
#define WINDOW_MARK(last) asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'T', 'B', 'W', " last ::: "memory")

static void open_window(void)
{
#ifdef __x86_64__
	WINDOW_MARK("'1'");
#endif
}

static void close_window(void)
{
#ifdef __x86_64__
	WINDOW_MARK("'0'");
#endif
}

static unsigned char pattern[2 * PATTERN_BYTES] __attribute__((aligned(8)));
static unsigned char buffer[RECV_BYTES];

/* The next `count` bytes of the stream. */
static void take(struct receiver *receiver, const unsigned char *data, size_t count)
{
	uint64_t at = receiver->run->bytes;

	receiver->run->bytes += count;
	for (size_t done = 0, step; receiver->verify && done < count; done += step) {
		step = count - done < PATTERN_BYTES ? count - done : PATTERN_BYTES;
		if (memcmp(data + done, pattern + (at + done) % PATTERN_BYTES, step))
			fail("wrong data between bytes %llu and %llu", (unsigned long long)(at + done),
			     (unsigned long long)(at + done + step));
	}
}

static void wait_readable(struct receiver *receiver)
{
	struct epoll_event event;
	int count = epoll_wait(receiver->epoll, &event, 1, 10000);

	if (count < 0)
		fail_errno("epoll_wait");
	if (!count)
		fail("nothing came for 10 s, %llu bytes missing",
		     (unsigned long long)(receiver->expected - receiver->run->bytes));
}

/* False at the end of the stream. */
static bool receive_by_copy(struct receiver *receiver, size_t most)
{
	ssize_t count = recv(receiver->fd, buffer, most, 0);

	if (count < 0)
		fail_errno("recv");
	receiver->run->calls++;
	receiver->run->copied += count;
	take(receiver, buffer, count);
	return count;
}

static void run_epoll(struct receiver *receiver)
{
	do
		wait_readable(receiver);
	while (receive_by_copy(receiver, sizeof(buffer)));
}

static void run_mmap(struct receiver *receiver)
{
	receiver->mapping = mmap(NULL, MAP_BYTES, PROT_READ, MAP_SHARED, receiver->fd, 0);
	if (receiver->mapping == MAP_FAILED)
		fail_errno("mmap of the socket");
	while (true) {
		struct tcp_zerocopy_receive zerocopy = {
			.address = (uintptr_t)receiver->mapping,
			.length = MAP_BYTES,
		};
		socklen_t length = sizeof(zerocopy);

		wait_readable(receiver);
		if (getsockopt(receiver->fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zerocopy, &length)) {
			if (errno == EIO) /* the end of the stream */
				break;
			fail_errno("TCP_ZEROCOPY_RECEIVE");
		}
		if (zerocopy.err)
			fail_with(-zerocopy.err, "TCP_ZEROCOPY_RECEIVE reports");
		receiver->run->calls++;
		take(receiver, receiver->mapping, zerocopy.length);
		if (zerocopy.recv_skip_hint > sizeof(buffer))
			zerocopy.recv_skip_hint = sizeof(buffer);
		if (zerocopy.recv_skip_hint)
			receive_by_copy(receiver, zerocopy.recv_skip_hint);
	}
	munmap(receiver->mapping, MAP_BYTES);
}

static void run_zcrx(struct receiver *receiver)
{
	struct zcrx *zcrx = &receiver->zcrx;
	uint64_t copied = zcrx->stats ? zcrx->stats->copy_bytes : 0;
	const struct io_uring_cqe *cqe;
	bool open = true;

	zcrx_receive(zcrx, receiver->fd, 0, 0);
	while (open) {
		zcrx_wait(zcrx, 10000);
		receiver->run->calls++;
		cqe = zcrx_completion(zcrx);
		if (!cqe)
			fail("nothing came for 10 s");
		for (; cqe; zcrx_completion_done(zcrx), cqe = zcrx_completion(zcrx)) {
			if (cqe->user_data == ZCRX_EVENT_USER_DATA)
				continue;
			if (cqe->res > 0) {
				take(receiver, zcrx_payload(zcrx, cqe), cqe->res);
				zcrx_return(zcrx, cqe);
			} else if (!cqe->res) {
				open = false;
			} else if (cqe->flags & IORING_CQE_F_MORE) {
				fail_with(-cqe->res, "RECV_ZC");
			}
			if (open && !(cqe->flags & IORING_CQE_F_MORE)) {
				if (cqe->res == -ENOMEM)
					zcrx_flush(zcrx);
				else if (cqe->res < 0 && cqe->res != -EAGAIN && cqe->res != -ENOBUFS)
					fail_with(-cqe->res, "RECV_ZC");
				zcrx_receive(zcrx, receiver->fd, 0, 0);
			}
		}
	}
	if (zcrx->stats)
		receiver->run->copied = zcrx->stats->copy_bytes - copied;
}

/* The fragments of one recvmsg(), which all go back at once. */
static void take_fragments(struct receiver *receiver, struct msghdr *message)
{
	struct devmem_token tokens[DONTNEED_TOKENS_MAX];
	const struct devmem_socket socket = { .fd = receiver->fd };
	unsigned char *linear = buffer;
	size_t count = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		const struct devmem_fragment *fragment = (void *)CMSG_DATA(header);

		if (devmem_is_fragment(header) && count < DONTNEED_TOKENS_MAX) {
			take(receiver, receiver->device_memory.map + fragment->frag_offset, fragment->frag_size);
			tokens[count++] = (struct devmem_token){ fragment->frag_token, 1 };
		} else if (devmem_is_linear(header)) {
			take(receiver, linear, fragment->frag_size);
			linear += fragment->frag_size;
			receiver->run->copied += fragment->frag_size;
		}
	}
	if (count && devmem_dontneed(&socket, tokens, count * sizeof(*tokens)) != (int)count)
		fail("not all of %zu fragments were taken back", count);
}

static void run_devmem(struct receiver *receiver)
{
	char control[DONTNEED_TOKENS_MAX * CMSG_SPACE(sizeof(struct devmem_fragment))];
	struct iovec vector = { .iov_base = buffer, .iov_len = sizeof(buffer) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control };
	ssize_t count;

	do {
		wait_readable(receiver);
		message.msg_controllen = sizeof(control);
		count = recvmsg(receiver->fd, &message, MSG_SOCK_DEVMEM);
		if (count < 0)
			fail_errno("recvmsg of device memory");
		receiver->run->calls++;
		take_fragments(receiver, &message);
	} while (count);
}

static void bind_devmem(struct receiver *receiver, const char *ifname, uint32_t queue, size_t bytes)
{
	static struct devmem_binding binding; /* lives as long as the program */
	uint32_t id;
	int error;

	error = devmem_create(&receiver->device_memory, bytes, false);
	if (error)
		fail_with(error, "dmabuf of %zu bytes", bytes);
	netlink_open(&binding.netlink, NETDEV_FAMILY_NAME);
	error = devmem_bind(&binding, ifname, receiver->device_memory.fd, &queue, 1, &id);
	if (error)
		fail_with(error, "queue %u of %s cannot be bound: %s", queue, ifname, binding.netlink.extack);
}

static const struct method {
	const char *name;
	void (*run)(struct receiver *receiver);
} methods[] = {
	{ "epoll", run_epoll },
	{ "mmap", run_mmap },
	{ "zcrx", run_zcrx },
	{ "devmem", run_devmem },
};

/* Always from the same port, since filters steer by it; each time to another one, since the last may linger. */
static int connect_from(const struct address *address, unsigned int port, unsigned int number)
{
	struct address local = *address, other = *address;
	int one = 1;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		fail_errno("SO_REUSEADDR");
	if (local.storage.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&local.storage)->sin6_addr = in6addr_any;
	else
		((struct sockaddr_in *)&local.storage)->sin_addr.s_addr = INADDR_ANY;
	((struct sockaddr_in *)&local.storage)->sin_port = htons(port);
	((struct sockaddr_in *)&other.storage)->sin_port = htons(port_of(&address->storage) + number);
	if (bind(fd, (struct sockaddr *)&local.storage, local.length))
		fail_errno("bind to port %u", port);
	if (connect(fd, (const struct sockaddr *)&other.storage, other.length))
		fail_errno("connect");
	return fd;
}

/* Each run begins at a whole second of the guest's clock, so that the kernel's ticks and timers fall alike in all. */
static void wait_for_whole_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += 2;
	now.tv_nsec = 0;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL))
		;
}

static void run_once(struct receiver *receiver, const struct method *method, const struct address *address,
		     unsigned int from, unsigned int number)
{
	struct epoll_event event = { .events = EPOLLIN };
	unsigned char request[8];
	double start;

	wait_for_whole_second();
	receiver->fd = connect_from(address, from, number);
	if (epoll_ctl(receiver->epoll, EPOLL_CTL_ADD, receiver->fd, &event))
		fail_errno("epoll_ctl");
	for (int i = 0; i < 8; i++)
		request[i] = receiver->expected >> (56 - 8 * i);
	start = seconds_now();
	if (number >= WARM_UP_RUNS)
		open_window();
	if (send(receiver->fd, request, sizeof(request), MSG_NOSIGNAL) != sizeof(request))
		fail_errno("send of the request");
	method->run(receiver);
	if (number >= WARM_UP_RUNS)
		close_window();
	receiver->run->seconds = seconds_now() - start;
	if (receiver->run->bytes != receiver->expected)
		fail("%llu bytes came, %llu were asked for", (unsigned long long)receiver->run->bytes,
		     (unsigned long long)receiver->expected);
	close(receiver->fd);
}

static void pin(unsigned long long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail_errno("CPU %llu", cpu);
}

static void report(const struct run *runs, unsigned int count, bool copies_known)
{
	printf("{\"runs\":[");
	for (unsigned int i = 0; i < count; i++) {
		printf("%s{\"bytes\":%llu,\"calls\":%llu,\"seconds\":%.9f,\"copied\":", i ? "," : "",
		       (unsigned long long)runs[i].bytes, (unsigned long long)runs[i].calls, runs[i].seconds);
		if (copies_known)
			printf("%llu}", (unsigned long long)runs[i].copied);
		else
			printf("null}");
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "from", required_argument, NULL, 'f' },   { "bytes", required_argument, NULL, 'b' },
		{ "runs", required_argument, NULL, 'n' },   { "cpu", required_argument, NULL, 'c' },
		{ "ifname", required_argument, NULL, 'i' }, { "queue", required_argument, NULL, 'q' },
		{ "area", required_argument, NULL, 'a' },   { "rx-buf-len", required_argument, NULL, 'l' },
		{ 0 },
	};
	struct run runs[WARM_UP_RUNS + RUNS_MAX] = { 0 };
	struct receiver receiver = { .expected = 32 << 20 };
	struct zcrx_options options = { .area_bytes = 64 << 20 };
	unsigned long long count = 5, from = 40000;
	const struct method *method = NULL;
	uint64_t state = flow_state(PATTERN_SEED, 0);
	struct address address;
	int option, status;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'f': from = number_argument("--from", optarg); break;
		case 'b': receiver.expected = number_argument("--bytes", optarg); break;
		case 'n': count = number_argument("--runs", optarg); break;
		case 'c': pin(number_argument("--cpu", optarg)); break;
		case 'i': options.ifname = optarg; break;
		case 'q': options.queue = number_argument("--queue", optarg); break;
		case 'a': options.area_bytes = number_argument("--area", optarg); break;
		case 'l': options.rx_buf_len = number_argument("--rx-buf-len", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	for (size_t i = 0; optind < argc && i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(methods[i].name, argv[optind]))
			method = &methods[i];
	if (argc - optind != 3 || !method || count < 1 || count > RUNS_MAX ||
	    ((method->run == run_zcrx || method->run == run_devmem) && !options.ifname)) {
		fprintf(stderr, "usage: receive_cost epoll|mmap|zcrx|devmem ADDRESS PORT [--from PORT] [--bytes B] "
				"[--runs 1..%d] [--cpu C] [--ifname I --queue Q [--area B] [--rx-buf-len B]]\n",
			RUNS_MAX);
		return USAGE_STATUS;
	}
	address = parse_address(argv[optind + 1], number_argument("PORT", argv[optind + 2]));
	fill_random(&state, (uint64_t *)pattern, PATTERN_WORDS);
	memcpy(pattern + PATTERN_BYTES, pattern, PATTERN_BYTES);
	receiver.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (receiver.epoll < 0)
		fail_errno("epoll_create1");
	if (method->run == run_zcrx) {
		zcrx_create_ring(&receiver.zcrx);
		status = zcrx_register(&receiver.zcrx, &options);
		if (status)
			fail_with(status, "queue %u of %s cannot be bound", options.queue, options.ifname);
	}
	if (method->run == run_devmem)
		bind_devmem(&receiver, options.ifname, options.queue, options.area_bytes);
	for (unsigned int i = 0; i < WARM_UP_RUNS + count; i++) {
		receiver.run = &runs[i];
		receiver.verify = i == 0;
		run_once(&receiver, method, &address, from, i);
	}
	report(runs + WARM_UP_RUNS, count, method->run != run_zcrx || receiver.zcrx.stats);
	return 0;
}
