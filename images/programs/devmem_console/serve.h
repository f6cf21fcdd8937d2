/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that takes steps one by one: it listens on a Unix socket, each line of a connection is a step
 * of words, each step is answered by one line of JSON. The same program is the other end: --ask.
 */
#ifndef TESTBED_SERVE_H
#define TESTBED_SERVE_H

#include <stdbool.h>
#include <stdio.h>

#define WORDS_MAX 300

/* Writes one JSON object, without the line feed, to `out`. Returns false to end the program. */
typedef bool (*serve_step)(FILE *out, int count, char **words);

/* Takes the steps of one connection after another. */
int serve(const char *path, serve_step step);

/* Sends the steps on standard input to the program that serves `path`, writes its answers to standard output. */
int serve_ask(const char *path);

#endif
