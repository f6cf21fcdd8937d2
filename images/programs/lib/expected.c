// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "expected.h"
#include "sockets.h"

void expect_stream(struct expected *expected, uint64_t seed, uint64_t flows)
{
	*expected = (struct expected){ .compared = true, .flow = FLOW_UNKNOWN, .seed = seed, .flows = flows };
}

/* Several connections are made at once: the first bytes tell which flow of the sender this one is. */
static void find_flow(struct expected *expected, const unsigned char *received, size_t bytes)
{
	for (uint64_t flow = 0; flow < expected->flows; flow++) {
		uint64_t state = flow_state(expected->seed, flow), word;

		fill_random(&state, &word, 1);
		if (memcmp(&word, received, bytes < sizeof(word) ? bytes : sizeof(word)))
			continue;
		expected->flow = flow;
		expected->state = flow_state(expected->seed, flow);
		return;
	}
}

static void differs(struct expected *expected)
{
	uint64_t number = expected->count++;

	expected->open = number < DIFFERENCES_KEPT ? &expected->first[number] : &expected->further;
	*expected->open = (struct difference){ .offset = expected->offset };
}

static void compare_byte(struct expected *expected, unsigned char received)
{
	unsigned int place = expected->offset % sizeof(expected->word);
	bool equal;

	if (!place && expected->flow != FLOW_UNKNOWN)
		fill_random(&expected->state, &expected->word, 1);
	equal = expected->flow != FLOW_UNKNOWN && ((unsigned char *)&expected->word)[place] == received;
	if (!equal && !expected->open)
		differs(expected);
	if (expected->open) {
		struct difference *open = expected->open;

		if (open->kept < DIFFERENCE_BYTES)
			open->received[open->kept++] = received;
		if (!equal)
			open->bytes = expected->offset + 1 - open->offset;
		expected->equal = equal ? expected->equal + 1 : 0;
		if (expected->equal == EQUAL_AGAIN)
			expected->open = NULL;
	}
	expected->offset++;
}

void expected_compare(struct expected *expected, const unsigned char *received, size_t bytes)
{
	if (!expected->compared || !bytes)
		return;
	if (!expected->offset)
		find_flow(expected, received, bytes);
	while (bytes) {
		uint64_t state = expected->state, word, got;

		if (bytes >= sizeof(word) && !(expected->offset % sizeof(word)) && !expected->open &&
		    expected->flow != FLOW_UNKNOWN) {
			fill_random(&state, &word, 1);
			memcpy(&got, received, sizeof(got));
			if (word == got) {
				expected->state = state;
				expected->offset += sizeof(word);
				received += sizeof(word);
				bytes -= sizeof(word);
				continue;
			}
		}
		compare_byte(expected, *received++);
		bytes--;
	}
}

void expected_print(const struct expected *expected, FILE *out)
{
	if (!expected->count)
		return;
	fprintf(out, ",\"differs\":{\"flow\":%d,\"count\":%llu,\"first\":[", expected->flow,
		(unsigned long long)expected->count);
	for (uint64_t i = 0; i < expected->count && i < DIFFERENCES_KEPT; i++) {
		const struct difference *one = &expected->first[i];

		fprintf(out, "%s{\"offset\":%llu,\"bytes\":%llu,\"received\":\"", i ? "," : "",
			(unsigned long long)one->offset, (unsigned long long)one->bytes);
		for (unsigned int byte = 0; byte < one->kept; byte++)
			fprintf(out, "%02x", one->received[byte]);
		fprintf(out, "\"}");
	}
	fprintf(out, "]}");
}
