// SPDX-License-Identifier: GPL-2.0-only
/* The area's mapping: it goes, and somebody else gets the memory. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

static void step_unmap(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);

	if (!strcmp(needed_word(words, "what"), "area")) {
		munmap(ifq->area, ifq->area_bytes);
	} else {
		munmap(ifq->region, ifq->region_bytes);
		ifq->region = NULL;
	}
	answer_errno(out, 0);
}

/*
 * Gives the area's pages back and takes as many for ourselves in their place: the same ones, if nobody keeps them. The
 * page tables stay, or one of them might get such a page.
 */
static void step_replace(struct words *words, FILE *out)
{
	struct ifq *ifq = ifq_of(words);

	if (madvise(ifq->area, ifq->area_bytes, MADV_DONTNEED))
		fail_errno("MADV_DONTNEED");
	memset(ifq->area, number_word(words, "fill", 0), ifq->area_bytes);
	answer_errno(out, 0);
}

/* How many bytes at the area's place differ from `fill`. */
static void step_differ(struct words *words, FILE *out)
{
	const struct ifq *ifq = ifq_of(words);
	unsigned char fill = number_word(words, "fill", 0);
	size_t bytes = 0;

	for (size_t i = 0; i < ifq->area_bytes; i++)
		bytes += ifq->area[i] != fill;
	fprintf(out, "{\"bytes\":%zu}\n", bytes);
}

const struct step area_steps[] = {
	{ "unmap", step_unmap },
	{ "replace", step_replace },
	{ "differ", step_differ },
	{ 0 },
};
