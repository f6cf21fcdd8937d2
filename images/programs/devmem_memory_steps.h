/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps of devmem_console about memory and bindings, and the names all steps share: words in, one JSON object out. */
#ifndef TESTBED_DEVMEM_MEMORY_STEPS_H
#define TESTBED_DEVMEM_MEMORY_STEPS_H

#include "devmem.h"
#include "devmem_socket.h"

#define THINGS_MAX 64

static struct devmem_buffer buffers[THINGS_MAX];
static struct devmem_binding bindings[THINGS_MAX];
static struct devmem_socket sockets[THINGS_MAX];
static struct {
	uint32_t id;
	struct devmem_buffer *buffer;
} bound[THINGS_MAX]; /* what an id meant stays known when its binding is gone */
static size_t bound_count;

/* The entry called `name`, or NULL. A freed entry has no name. */
#define find(things, wanted)                                                               \
	({                                                                                 \
		__typeof__(*(things)) *_found = NULL;                                      \
		for (size_t _i = 0; _i < THINGS_MAX && !_found; _i++)                      \
			if ((things)[_i].name && !strcmp((things)[_i].name, (wanted)))     \
				_found = (things) + _i;                                    \
		_found;                                                                    \
	})

#define find_or_fail(things, wanted)                                                       \
	({                                                                                 \
		__typeof__(*(things)) *_there = find(things, wanted);                      \
		if (!_there)                                                               \
			fail("there is no '%s'", (wanted));                                \
		_there;                                                                    \
	})

#define make(things, wanted)                                                               \
	({                                                                                 \
		__typeof__(*(things)) *_free = NULL;                                       \
		if (find(things, wanted))                                                  \
			fail("there is a '%s' already", (wanted));                         \
		for (size_t _i = 0; _i < THINGS_MAX && !_free; _i++)                       \
			if (!(things)[_i].name)                                            \
				_free = (things) + _i;                                     \
		if (!_free)                                                                \
			fail("more than %d things", THINGS_MAX);                           \
		memset(_free, 0, sizeof(*_free));                                          \
		_free->name = strdup(wanted);                                              \
		_free;                                                                     \
	})

static void say_error(FILE *out, int error, const char *extack)
{
	fprintf(out, "{\"error\":\"%s\",\"extack\":\"%s\"}", error_name(error), extack);
}

static void say_status(FILE *out, int status)
{
	if (status)
		say_error(out, errno, "");
	else
		fputs("{}", out);
}

static struct devmem_buffer *buffer_of(uint32_t id)
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
		say_error(out, error, "");
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

static void say_hash(FILE *out, const struct sha256 *hash, uint64_t bytes)
{
	struct sha256 copy = *hash;
	char hex[SHA256_HEX];

	sha256_end(&copy, hex);
	fprintf(out, "\"stream_bytes\":%llu,\"sha256\":\"%s\"", (unsigned long long)bytes, hex);
}

static void say_hash_of(FILE *out, const void *data, size_t bytes)
{
	struct sha256 hash;

	sha256_begin(&hash);
	sha256_add(&hash, data, bytes);
	fputc('{', out);
	say_hash(out, &hash, bytes);
	fputc('}', out);
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
	say_hash_of(out, data, bytes);
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
	say_hash(out, &hash, total);
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
	uint32_t queues[DEVMEM_QUEUES_MAX], id = 0;
	int error;

	if (queue_count > DEVMEM_QUEUES_MAX)
		fail("more than %d queues", DEVMEM_QUEUES_MAX);
	if (bound_count == THINGS_MAX)
		fail("more than %d bindings", THINGS_MAX);
	for (unsigned int i = 0; i < queue_count; i++)
		queues[i] = number_argument("QUEUE", words[4 + i]);
	if (!binding) {
		binding = make(bindings, words[1]);
		binding->family = netlink_open(&binding->netlink, NETDEV_FAMILY_NAME);
	}
	error = devmem_bind(binding, words[2], dmabuf_descriptor(words[3]), queues, queue_count, &id);
	if (error) {
		say_error(out, error, binding->netlink.extack);
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
	say_status(out, close(binding->netlink.fd));
	binding->name = NULL;
}

#endif
