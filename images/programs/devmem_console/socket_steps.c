// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devmem_console/devmem_objects.h"
#include "lib/sockets.h"

#define DRAIN_BYTES (256 * 1024)
#define DRAIN_FRAGMENTS 64

static void step_open(FILE *out, int count, char **words)
{
	struct address address = parse_address(words[2], number_argument("PORT", words[3]));
	int type = (strcmp(words[0], "udp") ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
	struct devmem_socket *socket_of = make(sockets, words[1]);
	const struct sockaddr *where = (const struct sockaddr *)&address.storage;
	int status;

	(void)count;
	sha256_begin(&socket_of->hash);
	if (!strcmp(words[0], "listen")) {
		socket_of->fd = listen_on(&address, 16);
		fputs("{}", out);
		return;
	}
	socket_of->fd = socket(address.storage.ss_family, type, 0);
	if (socket_of->fd < 0)
		fail_errno("socket");
	if (!strcmp(words[0], "udp"))
		status = bind(socket_of->fd, where, address.length);
	else
		status = connect(socket_of->fd, where, address.length);
	answer_status(out, status);
}

/* Lets only frames pass of which a filter in the kernel can load the byte at this offset. */
static void filter_on_byte(int fd, uint32_t offset)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset), /* ends the program, to drop, if there is no such byte */
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog filter = { sizeof(program) / sizeof(*program), program };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		fail_errno("a filter for a packet socket");
}

static void step_packet(FILE *out, int count, char **words)
{
	struct devmem_socket *listener = make(sockets, words[1]);
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(words[2]),
	};

	sha256_begin(&listener->hash);
	listener->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		fail_errno("packet socket");
	if (count > 3)
		filter_on_byte(listener->fd, number_argument("OFFSET", words[3]));
	answer_status(out, bind(listener->fd, (struct sockaddr *)&where, sizeof(where)));
}

static bool await_input(int fd, const char *milliseconds)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, number_argument("MS", milliseconds)) == 1;
}

static void step_accept(FILE *out, int count, char **words)
{
	struct devmem_socket *listener = find_or_fail(sockets, words[2]), *new_socket;

	(void)count;
	if (!await_input(listener->fd, words[3])) {
		answer_error(out, ETIMEDOUT, "");
		return;
	}
	new_socket = make(sockets, words[1]);
	sha256_begin(&new_socket->hash);
	new_socket->fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	answer_status(out, new_socket->fd < 0);
}

static void step_shutdown(FILE *out, int count, char **words)
{
	(void)count;
	answer_status(out, shutdown(find_or_fail(sockets, words[1])->fd, SHUT_WR));
}

static void step_close(FILE *out, int count, char **words)
{
	struct devmem_socket *closed = find_or_fail(sockets, words[1]);

	(void)count;
	answer_status(out, close(closed->fd));
	free(closed->tokens);
	closed->name = NULL;
}

static void add_bytes(struct devmem_socket *from, const unsigned char *data, size_t bytes)
{
	sha256_add(&from->hash, data, bytes);
	expected_compare(&from->expected, data, bytes);
}

/* Takes the bytes of a receipt in their order: what came linear or readable out of `memory`, the rest out of dmabufs. */
static void take_bytes(struct devmem_socket *from, const struct devmem_receipt *receipt, const unsigned char *memory)
{
	struct msghdr message = receipt->message;
	struct cmsghdr *header;

	from->bytes += receipt->bytes;
	if (!receipt->fragments && !receipt->linear)
		add_bytes(from, memory, receipt->bytes);
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		const struct devmem_fragment *fragment = (void *)CMSG_DATA(header);

		if (devmem_is_linear(header)) {
			add_bytes(from, memory, fragment->frag_size);
			memory += fragment->frag_size;
		} else if (devmem_is_fragment(header)) {
			struct devmem_buffer *buffer = buffer_of(fragment->dmabuf_id);

			if (fragment->frag_offset + fragment->frag_size > buffer->bytes)
				fail("a fragment of %u bytes at %llu of a dmabuf of %zu", fragment->frag_size,
				     (unsigned long long)fragment->frag_offset, buffer->bytes);
			devmem_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
			add_bytes(from, buffer->map + fragment->frag_offset, fragment->frag_size);
			devmem_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
			memset(buffer->reported + fragment->frag_offset, 1, fragment->frag_size);
		}
	}
}

static void keep_tokens(struct devmem_socket *from, const struct devmem_receipt *receipt)
{
	struct msghdr message = receipt->message;
	struct cmsghdr *header;

	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		if (devmem_is_fragment(header))
			devmem_keep_token(from, ((struct devmem_fragment *)CMSG_DATA(header))->frag_token);
	}
}

static void answer_receipt(FILE *out, const struct devmem_receipt *receipt)
{
	struct msghdr message = receipt->message;
	struct cmsghdr *header;
	bool first = true;

	fprintf(out, "{\"bytes\":%zu,\"linear\":%zu,\"fragment_bytes\":%zu,\"written\":%zu,\"truncated\":%s,",
		receipt->bytes, receipt->linear, receipt->fragment_bytes, receipt->written,
		receipt->truncated ? "true" : "false");
	if (receipt->error)
		fprintf(out, "\"error\":\"%s\",\"errno\":%d,", error_name(receipt->error), receipt->error);
	fprintf(out, "\"fragments\":[");
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		const struct devmem_fragment *fragment = (void *)CMSG_DATA(header);

		if (!devmem_is_fragment(header))
			continue;
		fprintf(out, "%s{\"offset\":%llu,\"size\":%u,\"token\":%u,\"dmabuf\":%u,\"flags\":%u}",
			first ? "" : ",", (unsigned long long)fragment->frag_offset, fragment->frag_size, fragment->frag_token,
			fragment->dmabuf_id, fragment->flags);
		first = false;
	}
	fputs("]}", out);
}

static void step_recv(FILE *out, int count, char **words)
{
	struct devmem_socket *from = find_or_fail(sockets, words[1]);
	size_t bytes = number_argument("BYTES", words[2]), control_bytes = number_argument("CONTROL", words[3]);
	unsigned char *memory = malloc(bytes + 1);
	void *control = calloc(1, control_bytes + 1);
	struct devmem_receipt receipt;
	int flags = MSG_DONTWAIT;

	if (!memory || !control)
		fail_errno("memory for %zu bytes", bytes);
	for (int i = 5; i < count; i++) {
		if (!strcmp(words[i], "devmem"))
			flags |= MSG_SOCK_DEVMEM;
		else if (!strcmp(words[i], "peek"))
			flags |= MSG_PEEK;
		else if (!strcmp(words[i], "trunc"))
			flags |= MSG_TRUNC;
		else
			fail("there is no flag %s", words[i]);
	}
	await_input(from->fd, words[4]);
	receipt = devmem_receive(from, memory, bytes, control, control_bytes, flags);
	if (!receipt.error && !(flags & (MSG_PEEK | MSG_TRUNC)))
		take_bytes(from, &receipt, memory);
	if (flags & MSG_TRUNC)
		from->expected.compared = false; /* nobody sees what is thrown away */
	keep_tokens(from, &receipt);
	answer_receipt(out, &receipt);
	free(control);
	free(memory);
}

static void step_drain(FILE *out, int count, char **words)
{
	static unsigned char memory[DRAIN_BYTES];
	static char control[DRAIN_FRAGMENTS * CMSG_SPACE(sizeof(struct devmem_fragment))];
	struct devmem_socket *from = find_or_fail(sockets, words[1]);
	size_t wanted = number_argument("BYTES", words[2]), total = 0, linear = 0, in_dmabuf = 0, fragments = 0;
	bool give_back = !strcmp(words[4], "return"), ended = false;
	long taken = 0;
	int error = 0;

	(void)count;
	while (!ended && !error && (!wanted || total < wanted)) {
		size_t left = wanted && wanted - total < sizeof(memory) ? wanted - total : sizeof(memory);
		struct devmem_receipt receipt;

		if (!await_input(from->fd, words[3])) {
			error = ETIMEDOUT;
			break;
		}
		receipt = devmem_receive(from, memory, left, control, sizeof(control), MSG_SOCK_DEVMEM | MSG_DONTWAIT);
		error = receipt.error;
		ended = !error && !receipt.bytes;
		take_bytes(from, &receipt, memory);
		keep_tokens(from, &receipt);
		total += receipt.bytes;
		linear += receipt.linear;
		in_dmabuf += receipt.fragment_bytes;
		fragments += receipt.fragments;
		if (give_back)
			taken += devmem_return_all(from);
	}
	fprintf(out, "{\"bytes\":%zu,\"linear\":%zu,\"fragment_bytes\":%zu,\"fragments\":%zu,\"ended\":%s,"
		     "\"taken\":%ld,\"kept\":%zu,", total, linear, in_dmabuf, fragments, ended ? "true" : "false",
		taken, from->token_count);
	if (error)
		fprintf(out, "\"error\":\"%s\",", error_name(error));
	answer_hash(out, &from->hash, from->bytes);
	expected_print(&from->expected, out);
	fputc('}', out);
}

/* The one flow of this seed; "none": what comes from now on is something else. */
static void step_expect(FILE *out, int count, char **words)
{
	struct devmem_socket *from = find_or_fail(sockets, words[1]);

	(void)count;
	if (strcmp(words[2], "none"))
		expect_stream(&from->expected, number_argument("SEED", words[2]), 1);
	else
		from->expected = (struct expected){ 0 };
	fputs("{}", out);
}

static void step_splice(FILE *out, int count, char **words)
{
	struct devmem_socket *from = find_or_fail(sockets, words[1]);
	ssize_t moved;
	int pipes[2];

	(void)count;
	if (pipe(pipes))
		fail_errno("pipe");
	moved = splice(from->fd, NULL, pipes[1], NULL, number_argument("BYTES", words[2]), SPLICE_F_NONBLOCK);
	if (moved < 0)
		answer_error(out, errno, "");
	else
		fprintf(out, "{\"bytes\":%zd}", moved);
	close(pipes[0]);
	close(pipes[1]);
}

static void step_mapped(FILE *out, int count, char **words)
{
	struct devmem_socket *from = find_or_fail(sockets, words[1]);
	size_t bytes = number_argument("BYTES", words[2]);
	static unsigned char copy[4096]; /* if all that waits fits here, the kernel copies and maps nothing */
	void *address = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from->fd, 0);
	struct tcp_zerocopy_receive request = {
		.address = (uint64_t)address, .length = bytes,
		.copybuf_address = (uint64_t)copy, .copybuf_len = sizeof(copy),
	};
	socklen_t length = sizeof(request);
	size_t written = sizeof(copy);

	(void)count;
	if (address == MAP_FAILED)
		fail_errno("map of a socket");
	memset(copy, UNTOUCHED, sizeof(copy));
	if (getsockopt(from->fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &request, &length)) {
		answer_error(out, errno, "");
	} else {
		while (written && copy[written - 1] == UNTOUCHED)
			written--;
		fprintf(out, "{\"mapped\":%u,\"copied\":%d,\"hint\":%u,\"written\":%zu}", request.length,
			request.copybuf_len, request.recv_skip_hint, written);
	}
	munmap(address, bytes);
}

static void answer_taken(FILE *out, long taken)
{
	if (taken < 0)
		answer_error(out, -taken, "");
	else
		fprintf(out, "{\"taken\":%ld}", taken);
}

static void step_return(FILE *out, int count, char **words)
{
	(void)count;
	answer_taken(out, devmem_return_all(find_or_fail(sockets, words[1])));
}

static void step_dontneed(FILE *out, int count, char **words)
{
	struct devmem_token tokens[WORDS_MAX] = { 0 };
	size_t bytes = 0;

	for (int i = 2; i < count; i++) {
		unsigned int start, many;

		if (sscanf(words[i], "%u:%u", &start, &many) == 2) {
			tokens[bytes / sizeof(*tokens)] = (struct devmem_token){ start, many };
			bytes += sizeof(*tokens);
		} else if (*words[i] == '+') {
			bytes += number_argument("+N", words[i] + 1);
		} else {
			fail("'%s' is no START:COUNT", words[i]);
		}
	}
	answer_taken(out, devmem_dontneed(find_or_fail(sockets, words[1]), tokens, bytes));
}

static void step_send(FILE *out, int count, char **words)
{
	struct devmem_socket *to = find_or_fail(sockets, words[1]);
	size_t bytes = number_argument("BYTES", words[2]), sent = 0;
	uint64_t state = flow_state(number_argument("SEED", words[3]), 0);
	uint64_t *data = calloc(bytes / 8 + 1, 8);

	(void)count;
	if (!data)
		fail_errno("memory for %zu bytes", bytes);
	fill_random(&state, data, (bytes + 7) / 8);
	while (sent < bytes) {
		ssize_t now = send(to->fd, (char *)data + sent, bytes - sent, MSG_NOSIGNAL);

		if (now < 0) {
			answer_error(out, errno, "");
			free(data);
			return;
		}
		sent += now;
	}
	answer_hash_of(out, data, bytes);
	free(data);
}

static void step_zerocopy(FILE *out, int count, char **words)
{
	int one = 1;

	(void)count;
	answer_status(out, setsockopt(find_or_fail(sockets, words[1])->fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
}

static void step_send_dmabuf(FILE *out, int count, char **words)
{
	struct devmem_socket *to = find_or_fail(sockets, words[1]);
	int flags = strcmp(words[3], "zerocopy") ? 0 : MSG_ZEROCOPY;
	struct iovec vectors[IOVECS_MAX];
	ssize_t sent;

	if (count - 4 > IOVECS_MAX)
		fail("more than %d pieces", IOVECS_MAX);
	for (int i = 4; i < count; i++) {
		unsigned long offset, bytes;

		if (sscanf(words[i], "%lu:%lu", &offset, &bytes) != 2)
			fail("'%s' is no OFFSET:BYTES", words[i]);
		vectors[i - 4] = (struct iovec){ (void *)offset, bytes };
	}
	sent = devmem_send(to, number_argument("ID", words[2]), vectors, count - 4, flags);
	if (sent < 0)
		answer_error(out, -sent, "");
	else
		fprintf(out, "{\"bytes\":%zd}", sent);
}

static void step_completions(FILE *out, int count, char **words)
{
	struct devmem_socket *of = find_or_fail(sockets, words[1]);
	unsigned long wanted = number_argument("COUNT", words[2]), done = 0, copied = 0;
	int error = 0;

	(void)count;
	while (done < wanted && !error) {
		struct sock_extended_err notification;

		error = devmem_completion(of, number_argument("MS", words[3]), &notification);
		if (error)
			break;
		done += notification.ee_data - notification.ee_info + 1;
		if (notification.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
			copied += notification.ee_data - notification.ee_info + 1;
	}
	if (error)
		answer_error(out, error, "");
	else
		fprintf(out, "{\"done\":%lu,\"copied\":%lu}", done, copied);
}

const struct step socket_steps[] = {
	{ "listen", 4, step_open },
	{ "udp", 4, step_open },
	{ "connect", 4, step_open },
	{ "packet", 3, step_packet },
	{ "accept", 4, step_accept },
	{ "shutdown", 2, step_shutdown },
	{ "close", 2, step_close },
	{ "recv", 5, step_recv },
	{ "expect", 3, step_expect },
	{ "drain", 5, step_drain },
	{ "splice", 3, step_splice },
	{ "mapped", 3, step_mapped },
	{ "return", 2, step_return },
	{ "dontneed", 2, step_dontneed },
	{ "send", 4, step_send },
	{ "zerocopy", 2, step_zerocopy },
	{ "send-dmabuf", 5, step_send_dmabuf },
	{ "completions", 4, step_completions },
	{ 0 },
};
