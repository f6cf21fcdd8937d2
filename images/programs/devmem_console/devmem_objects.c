// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "devmem_console/devmem_objects.h"

struct devmem_buffer buffers[OBJECTS_MAX];
struct devmem_binding bindings[OBJECTS_MAX];
struct devmem_socket sockets[OBJECTS_MAX];

void answer_error(FILE *out, int error, const char *extack)
{
	fprintf(out, "{\"error\":\"%s\",\"extack\":\"%s\"}", error_name(error), extack);
}

void answer_status(FILE *out, int status)
{
	if (status)
		answer_error(out, errno, "");
	else
		fputs("{}", out);
}

void answer_hash(FILE *out, const struct sha256 *hash, uint64_t bytes)
{
	struct sha256 copy = *hash;
	char hex[SHA256_HEX];

	sha256_end(&copy, hex);
	fprintf(out, "\"stream_bytes\":%llu,\"sha256\":\"%s\"", (unsigned long long)bytes, hex);
}

void answer_hash_of(FILE *out, const void *data, size_t bytes)
{
	struct sha256 hash;

	sha256_begin(&hash);
	sha256_add(&hash, data, bytes);
	fputc('{', out);
	answer_hash(out, &hash, bytes);
	fputc('}', out);
}
