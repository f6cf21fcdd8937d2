// SPDX-License-Identifier: GPL-2.0-only
// Linked into a UML kernel: what it asks of the host's getrandom() becomes a stream that depends
// on UML_ENTROPY_SEED (decimal) only, so that a boot can be repeated. Without it, the host answers.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static uint64_t state;
static int seeded;

__attribute__((constructor)) static void read_seed(void)
{
	const char *seed = getenv("UML_ENTROPY_SEED");

	if (seed && *seed) {
		state = strtoull(seed, NULL, 10);
		seeded = 1;
	}
}

// splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	unsigned char *out = buffer;

	if (!seeded)
		return syscall(SYS_getrandom, buffer, length, flags);
	for (size_t done = 0; done < length;) {
		uint64_t word = next();
		size_t part = length - done < sizeof(word) ? length - done : sizeof(word);

		memcpy(out + done, &word, part);
		done += part;
	}
	return length;
}
