// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "devmem_console/devmem_objects.h"
#include "lib/sockets.h"

#define BINDINGS_MAX 4096
#define QUEUES_MAX 16

static struct {
	uint32_t id;
	struct devmem_buffer *buffer;
} bound[BINDINGS_MAX]; /* what an id meant stays known when its binding is gone */
static size_t bound_count;

struct devmem_buffer *buffer_of(uint32_t id)
{
	for (size_t i = bound_count; i--;)
		if (bound[i].id == id)
			return bound[i].buffer;
	fail("a fragment in dmabuf %u, which we did not bind", id);
}

static void step_udmabuf(FILE *out, int count, char **words)
{
	struct devmem_buffer *buffer = make(buffers, words[1]);
	int error = devmem_create(buffer, number_argument("BYTES", words[2]), count > 3);

	if (error) {
		buffer->name = NULL;
		answer_error(out, error, "");
	} else {
		fprintf(out, "{\"fd\":%d}", buffer->fd);
	}
}

static void step_fill(FILE *out, int count, char **words)
{
	struct devmem_buffer *buffer = find_or_fail(buffers, words[1]);

	(void)count;
	devmem_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	memset(buffer->map, number_argument("BYTE", words[2]), buffer->bytes);
	devmem_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	memset(buffer->reported, 0, buffer->bytes);
	fputs("{}", out);
}

static void step_random(FILE *out, int count, char **words)
{
	struct devmem_buffer *buffer = find_or_fail(buffers, words[1]);
	uint64_t state = flow_state(number_argument("SEED", words[2]), 0);
	size_t offset = number_argument("OFFSET", words[3]), bytes = number_argument("BYTES", words[4]);
	uint64_t *data = calloc(bytes / 8 + 1, 8);

	(void)count;
	if (!data || offset + bytes > buffer->bytes)
		fail("%zu bytes at %zu of a buffer of %zu", bytes, offset, buffer->bytes);
	fill_random(&state, data, (bytes + 7) / 8);
	devmem_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	memcpy(buffer->map + offset, data, bytes);
	devmem_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	answer_hash_of(out, data, bytes);
	free(data);
}

static void step_digest(FILE *out, int count, char **words)
{
	struct sha256 hash;
	uint64_t total = 0;

	sha256_begin(&hash);
	for (int i = 1; i < count; i++) {
		const char *name = strsep(words + i, ":");
		struct devmem_buffer *buffer = find_or_fail(buffers, name);
		unsigned long offset, bytes;

		if (!words[i] || sscanf(words[i], "%lu:%lu", &offset, &bytes) != 2 || offset + bytes > buffer->bytes)
			fail("no BUF:OFFSET:BYTES in buffer %s", buffer->name);
		devmem_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
		sha256_add(&hash, buffer->map + offset, bytes);
		devmem_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
		total += bytes;
	}
	fputc('{', out);
	answer_hash(out, &hash, total);
	fputc('}', out);
}

static void step_outside(FILE *out, int count, char **words)
{
	struct devmem_buffer *buffer = find_or_fail(buffers, words[1]);
	const unsigned int byte = number_argument("BYTE", words[2]);
	size_t outside = 0, changed = 0, first = 0;

	(void)count;
	devmem_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	for (size_t i = 0; i < buffer->bytes; i++) {
		if (buffer->reported[i])
			continue;
		outside++;
		if (buffer->map[i] != byte && !changed++)
			first = i;
	}
	devmem_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	fprintf(out, "{\"outside\":%zu,\"changed\":%zu,\"first\":%zu}", outside, changed, first);
}

static int dmabuf_descriptor(const char *word)
{
	if (!strncmp(word, "memfd:", 6))
		return find_or_fail(buffers, word + 6)->memfd;
	if (find(buffers, word))
		return find(buffers, word)->fd;
	return atoi(word);
}

static void step_bind(FILE *out, int count, char **words)
{
	struct devmem_binding *binding = find(bindings, words[1]);
	unsigned int queue_count = count - 4;
	uint32_t queues[QUEUES_MAX], id = 0;
	int error;

	if (queue_count > QUEUES_MAX)
		fail("more than %d queues", QUEUES_MAX);
	if (bound_count == BINDINGS_MAX)
		fail("more than %d bindings", BINDINGS_MAX);
	for (unsigned int i = 0; i < queue_count; i++)
		queues[i] = number_argument("QUEUE", words[4 + i]);
	if (!binding) {
		binding = make(bindings, words[1]);
		netlink_open(&binding->netlink, NETDEV_FAMILY_NAME);
	}
	error = devmem_bind(binding, words[2], dmabuf_descriptor(words[3]), queues, queue_count, &id);
	if (error) {
		answer_error(out, error, binding->netlink.extack);
		return;
	}
	bound[bound_count].id = id;
	bound[bound_count++].buffer = find(buffers, words[3]);
	fprintf(out, "{\"id\":%u}", id);
}

static void step_unbind(FILE *out, int count, char **words)
{
	struct devmem_binding *binding = find_or_fail(bindings, words[1]);

	(void)count;
	answer_status(out, mnl_socket_close(binding->netlink.socket));
	binding->name = NULL;
}

const struct step memory_steps[] = {
	{ "udmabuf", 3, step_udmabuf },
	{ "fill", 3, step_fill },
	{ "random", 5, step_random },
	{ "digest", 2, step_digest },
	{ "outside", 3, step_outside },
	{ "bind-rx", 5, step_bind },
	{ "bind-tx", 4, step_bind },
	{ "unbind", 2, step_unbind },
	{ 0 },
};
