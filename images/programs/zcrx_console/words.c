// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "zcrx_console/words.h"

#include "lib/fail.h"

struct words words_of(char *line)
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

const char *word(struct words *words, const char *name)
{
	for (unsigned int i = 0; i < words->count; i++) {
		if (strcmp(words->word[i].name, name))
			continue;
		words->word[i].used = true;
		return words->word[i].value;
	}
	return NULL;
}

uint64_t number_word(struct words *words, const char *name, uint64_t otherwise)
{
	const char *value = word(words, name);

	return value ? number_argument(name, value) : otherwise;
}

const char *needed_word(struct words *words, const char *name)
{
	const char *value = word(words, name);

	if (!value)
		fail("step %s needs %s=", words->verb, name);
	return value;
}

unsigned int place_word(struct words *words, const char *name, unsigned int limit)
{
	uint64_t place = number_word(words, name, 0);

	if (place >= limit)
		fail("step %s: %s=%llu is not below %u", words->verb, name, (unsigned long long)place, limit);
	return place;
}

void all_used(const struct words *words)
{
	for (unsigned int i = 0; i < words->count; i++) {
		if (!words->word[i].used)
			fail("step %s does not know %s=", words->verb, words->word[i].name);
	}
}

void answer_errno(FILE *out, int number)
{
	fprintf(out, "{\"errno\":\"%s\"}\n", number ? error_name(number) : "");
}
