/* SPDX-License-Identifier: GPL-2.0-only */
/* What the steps of devmem_console act on: buffers, bindings and sockets, by name; and how they answer. */
#ifndef TESTBED_DEVMEM_OBJECTS_H
#define TESTBED_DEVMEM_OBJECTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/devmem.h"
#include "lib/devmem_socket.h"
#include "lib/fail.h"

#define OBJECTS_MAX 64
#define WORDS_MAX 300 /* of a step */

extern struct devmem_buffer buffers[OBJECTS_MAX];
extern struct devmem_binding bindings[OBJECTS_MAX];
extern struct devmem_socket sockets[OBJECTS_MAX];

/* The entry called `name`, or NULL. A freed entry has no name. */
#define find(objects, wanted)                                                          \
	({                                                                             \
		__typeof__(*(objects)) *_found = NULL;                                 \
		for (size_t _i = 0; _i < OBJECTS_MAX && !_found; _i++)                 \
			if ((objects)[_i].name && !strcmp((objects)[_i].name, (wanted))) \
				_found = (objects) + _i;                               \
		_found;                                                                \
	})

#define find_or_fail(objects, wanted)                                                  \
	({                                                                             \
		__typeof__(*(objects)) *_there = find(objects, wanted);                \
		if (!_there)                                                           \
			fail("there is no '%s'", (wanted));                            \
		_there;                                                                \
	})

#define make(objects, wanted)                                                          \
	({                                                                             \
		__typeof__(*(objects)) *_free = NULL;                                  \
		if (find(objects, wanted))                                             \
			fail("there is a '%s' already", (wanted));                     \
		for (size_t _i = 0; _i < OBJECTS_MAX && !_free; _i++)                  \
			if (!(objects)[_i].name)                                       \
				_free = (objects) + _i;                                \
		if (!_free)                                                            \
			fail("more than %d objects", OBJECTS_MAX);                     \
		memset(_free, 0, sizeof(*_free));                                      \
		_free->name = strdup(wanted);                                          \
		_free;                                                                 \
	})

/* The buffer that was bound as `id`, even if its binding is gone; ends the program if none was. */
struct devmem_buffer *buffer_of(uint32_t id);

void answer_error(FILE *out, int error, const char *extack);

/* {} for 0, else errno. */
void answer_status(FILE *out, int status);

/* "stream_bytes":..,"sha256":".." of what has been added so far. */
void answer_hash(FILE *out, const struct sha256 *hash, uint64_t bytes);

/* The same as an object, of `data`. */
void answer_hash_of(FILE *out, const void *data, size_t bytes);

struct step {
	const char *name;
	int words; /* at least, with the name */
	void (*take)(FILE *out, int count, char **words);
};

/* Each ends with an entry without a name. */
extern const struct step memory_steps[], socket_steps[];

#endif
