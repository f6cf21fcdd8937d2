/* SPDX-License-Identifier: GPL-2.0-only */
/* Device memory at a socket: fragments, their tokens, sends out of a dmabuf. */
#ifndef TESTBED_DEVMEM_SOCKET_H
#define TESTBED_DEVMEM_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <linux/errqueue.h> /* uses struct timespec */

#include "lib/expected.h"
#include "lib/sha256.h"

#ifndef MSG_SOCK_DEVMEM
#define MSG_SOCK_DEVMEM 0x2000000 /* linux/socket.h, not in uapi */
#endif
#ifndef SO_DEVMEM_LINEAR
#define SO_DEVMEM_LINEAR 78
#define SO_DEVMEM_DMABUF 79
#define SO_DEVMEM_DONTNEED 80
#endif

#define DONTNEED_TOKENS_MAX 128 /* the kernel's own limit for one call */
#define UNTOUCHED 0x5c /* what our own buffer holds before the kernel may write to it */
#define IOVECS_MAX 64

/* struct dmabuf_cmsg and dmabuf_token of linux/uio.h, which cannot be included beside glibc's struct iovec. */
struct devmem_fragment {
	uint64_t frag_offset;
	uint32_t frag_size;
	uint32_t frag_token;
	uint32_t dmabuf_id;
	uint32_t flags;
};

struct devmem_token {
	uint32_t token_start;
	uint32_t token_count;
};

struct devmem_socket {
	const char *name;
	int fd;
	uint64_t bytes; /* received, in order */
	struct sha256 hash; /* of them */
	struct expected expected; /* of them, too */
	uint32_t *tokens; /* not given back by `return` */
	size_t token_count, token_room;
};

/* One recvmsg(). `written`: bytes of our own buffer that no longer hold UNTOUCHED, up to the last such. */
struct devmem_receipt {
	int error;
	size_t bytes, linear, fragment_bytes, fragments, written;
	bool truncated;
	struct msghdr message;
};

void devmem_keep_token(struct devmem_socket *socket, uint32_t token);
bool devmem_is_fragment(const struct cmsghdr *control);
bool devmem_is_linear(const struct cmsghdr *control);

/* One recvmsg() into `memory`, which is filled with UNTOUCHED first; `control` is for its control messages. */
struct devmem_receipt devmem_receive(struct devmem_socket *socket, unsigned char *memory, size_t bytes, void *control,
				     size_t control_bytes, int flags);

/* SO_DEVMEM_DONTNEED. Returns how many fragments the kernel took, or the negative errno. */
int devmem_dontneed(const struct devmem_socket *socket, const struct devmem_token *tokens, size_t bytes);

/* Gives every token back that was kept, each by itself. Returns what the kernel took, or the negative errno. */
long devmem_return_all(struct devmem_socket *socket);

/* One sendmsg() out of the dmabuf with this id; a vector's base is an offset into it. Returns bytes or -errno. */
ssize_t devmem_send(const struct devmem_socket *socket, uint32_t id, struct iovec *vectors, size_t count,
		    int flags);

/* Reads one notification of finished zero-copy sends. Returns 0, the errno, or EAGAIN if none came in time. */
int devmem_completion(const struct devmem_socket *socket, int timeout_ms, struct sock_extended_err *notification);

#endif
