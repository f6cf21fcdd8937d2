/* SPDX-License-Identifier: GPL-2.0-only */
/* A step of a scripted program: a verb and name=value words; and the JSON line that answers it. */
#ifndef TESTBED_CONSOLE_WORDS_H
#define TESTBED_CONSOLE_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "fail.h"

#define WORDS_MAX 32

struct words {
	const char *verb;
	unsigned int count;
	struct {
		char *name, *value;
		bool used;
	} word[WORDS_MAX];
};

/* Cuts `line` in place. A word without '=' ends the program: the script is wrong. */
static inline struct words words_of(char *line)
{
	struct words words = { .verb = "" };
	char *rest = line, *part;

	while ((part = strsep(&rest, " \t\n"))) {
		char *equals = strchr(part, '=');

		if (!*part)
			continue;
		if (!*words.verb) {
			words.verb = part;
			continue;
		}
		if (!equals || words.count == WORDS_MAX)
			fail("step %s: '%s' is not name=value, or one too many", words.verb, part);
		*equals = '\0';
		words.word[words.count].name = part;
		words.word[words.count++].value = equals + 1;
	}
	return words;
}

/* The value of `name`, or NULL. */
static inline const char *word(struct words *words, const char *name)
{
	for (unsigned int i = 0; i < words->count; i++) {
		if (strcmp(words->word[i].name, name))
			continue;
		words->word[i].used = true;
		return words->word[i].value;
	}
	return NULL;
}

static inline uint64_t number_word(struct words *words, const char *name, uint64_t otherwise)
{
	const char *value = word(words, name);

	return value ? number_argument(name, value) : otherwise;
}

static inline const char *needed_word(struct words *words, const char *name)
{
	const char *value = word(words, name);

	if (!value)
		fail("step %s needs %s=", words->verb, name);
	return value;
}

/* A number below `limit`: the place of an object in its table. */
static inline unsigned int place_word(struct words *words, const char *name, unsigned int limit)
{
	uint64_t place = number_word(words, name, 0);

	if (place >= limit)
		fail("step %s: %s=%llu is not below %u", words->verb, name, (unsigned long long)place, limit);
	return place;
}

/* Ends the program if a word was not understood by the step. */
static inline void all_used(const struct words *words)
{
	for (unsigned int i = 0; i < words->count; i++) {
		if (!words->word[i].used)
			fail("step %s does not know %s=", words->verb, words->word[i].name);
	}
}

/* {"errno":"EINVAL"}, or {"errno":""} for 0. */
static inline void answer_errno(FILE *out, int number)
{
	fprintf(out, "{\"errno\":\"%s\"}\n", number ? error_name(number) : "");
}

#endif
