/* SPDX-License-Identifier: GPL-2.0-only */
/* A step of a scripted program: a verb and name=value words; and the JSON line that answers it. */
#ifndef TESTBED_WORDS_H
#define TESTBED_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

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
struct words words_of(char *line);

/* The value of `name`, or NULL. */
const char *word(struct words *words, const char *name);
uint64_t number_word(struct words *words, const char *name, uint64_t otherwise);

/* Ends the program if the word is missing. */
const char *needed_word(struct words *words, const char *name);

/* A number below `limit`: the place of an object in its table. */
unsigned int place_word(struct words *words, const char *name, unsigned int limit);

/* Ends the program if a word was not understood by the step. */
void all_used(const struct words *words);

/* {"errno":"EINVAL"}, or {"errno":""} for 0. */
void answer_errno(FILE *out, int number);

#endif
