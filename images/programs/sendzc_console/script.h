/* SPDX-License-Identifier: GPL-2.0-only */
/* One step of a script at a time: its words, the beginning of its answer, and the steps with sockets. */
#ifndef TESTBED_SCRIPT_H
#define TESTBED_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sha256.h"

#define MOST 16
#define MOST_WORDS 24

extern double deadline; /* as seconds_now() */
extern char *words[MOST_WORDS];
extern unsigned int word_count;

/* The name of the step. */
bool step_is(const char *name);

/* The word at `position` as a number, as one below MOST, as the socket it names; ends the program if it is none. */
unsigned long long number(unsigned int position);
unsigned int place(unsigned int position);
int *socket_at(unsigned int position);

/* {"do":..,"error":.. without its closing brace; the second form with bytes and hash. */
void answer(int error);
void answer_hash(int error, unsigned long long bytes, struct sha256 *hash);

/* Pseudo-random bytes. */
void fill(unsigned char *start, size_t bytes, uint64_t seed);

/* Takes the step if it is one with sockets. */
bool network_step(void);

#endif
