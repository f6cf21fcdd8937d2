// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/devmem_socket.h"

#include <netinet/in.h>
#include <poll.h>

#include "lib/fail.h"

void devmem_keep_token(struct devmem_socket *socket, uint32_t token)
{
	if (socket->token_count == socket->token_room) {
		socket->token_room = socket->token_room ? 2 * socket->token_room : 256;
		socket->tokens = realloc(socket->tokens, socket->token_room * sizeof(*socket->tokens));
		if (!socket->tokens)
			fail_errno("memory for %zu tokens", socket->token_room);
	}
	socket->tokens[socket->token_count++] = token;
}

bool devmem_is_fragment(const struct cmsghdr *control)
{
	return control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_DEVMEM_DMABUF;
}

bool devmem_is_linear(const struct cmsghdr *control)
{
	return control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_DEVMEM_LINEAR;
}

struct devmem_receipt devmem_receive(struct devmem_socket *socket, unsigned char *memory, size_t bytes, void *control,
				     size_t control_bytes, int flags)
{
	struct iovec vector = { .iov_base = memory, .iov_len = bytes };
	struct devmem_receipt receipt = {
		.message = {
			.msg_iov = &vector, .msg_iovlen = 1,
			.msg_control = control_bytes ? control : NULL, .msg_controllen = control_bytes,
		},
	};
	struct cmsghdr *header;
	ssize_t count;

	memset(memory, UNTOUCHED, bytes);
	count = recvmsg(socket->fd, &receipt.message, flags);
	if (count < 0) {
		receipt.error = errno;
		receipt.message.msg_controllen = 0;
	}
	receipt.bytes = count < 0 ? 0 : count;
	receipt.truncated = receipt.message.msg_flags & MSG_CTRUNC;
	for (receipt.written = bytes; receipt.written && memory[receipt.written - 1] == UNTOUCHED;)
		receipt.written--;
	for (header = CMSG_FIRSTHDR(&receipt.message); header; header = CMSG_NXTHDR(&receipt.message, header)) {
		const struct devmem_fragment *fragment = (void *)CMSG_DATA(header);

		if (devmem_is_fragment(header)) {
			receipt.fragments++;
			receipt.fragment_bytes += fragment->frag_size;
		} else if (devmem_is_linear(header)) {
			receipt.linear += fragment->frag_size;
		}
	}
	receipt.message.msg_iov = NULL;
	return receipt;
}

int devmem_dontneed(const struct devmem_socket *socket, const struct devmem_token *tokens, size_t bytes)
{
	int taken = setsockopt(socket->fd, SOL_SOCKET, SO_DEVMEM_DONTNEED, tokens, bytes);

	return taken < 0 ? -errno : taken;
}

long devmem_return_all(struct devmem_socket *socket)
{
	struct devmem_token tokens[DONTNEED_TOKENS_MAX];
	long taken = 0;

	while (socket->token_count) {
		size_t count = 0;
		int now;

		while (socket->token_count && count < DONTNEED_TOKENS_MAX)
			tokens[count++] = (struct devmem_token){ socket->tokens[--socket->token_count], 1 };
		now = devmem_dontneed(socket, tokens, count * sizeof(*tokens));
		if (now < 0)
			return now;
		taken += now;
	}
	return taken;
}

ssize_t devmem_send(const struct devmem_socket *socket, uint32_t id, struct iovec *vectors, size_t count,
		    int flags)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(uint32_t))];
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = vectors, .msg_iovlen = count,
		.msg_control = &control, .msg_controllen = sizeof(control.room),
	};
	ssize_t sent;

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SO_DEVMEM_DMABUF;
	control.header.cmsg_len = CMSG_LEN(sizeof(id));
	memcpy(CMSG_DATA(&control.header), &id, sizeof(id));
	sent = sendmsg(socket->fd, &message, flags | MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

int devmem_completion(const struct devmem_socket *socket, int timeout_ms, struct sock_extended_err *notification)
{
	struct pollfd wait = { .fd = socket->fd };
	char control[256] __attribute__((aligned(8)));
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header;

	if (poll(&wait, 1, timeout_ms) < 1)
		return EAGAIN;
	if (recvmsg(socket->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return errno;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		if ((header->cmsg_level == SOL_IP && header->cmsg_type == IP_RECVERR) ||
		    (header->cmsg_level == SOL_IPV6 && header->cmsg_type == IPV6_RECVERR)) {
			memcpy(notification, CMSG_DATA(header), sizeof(*notification));
			return 0;
		}
	}
	return ENOMSG;
}
