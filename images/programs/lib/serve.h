/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that takes steps one by one: it listens on a Unix socket, each line of a connection is a step, and each
 * step is answered by one line of JSON. The same program is the other end: --ask. A name that begins with '/' is a
 * path, any other an abstract address.
 */
#ifndef TESTBED_SERVE_H
#define TESTBED_SERVE_H

#include <stdbool.h>
#include <stdio.h>

/* Takes the step that `line` is, writes its answer to `out`. Returns false to end the program. */
typedef bool (*serve_step)(FILE *out, char *line);

/* Takes the steps of one connection after another. */
int serve(const char *name, serve_step step);

/* Sends the steps on standard input to the program that serves `name`, writes its answers to standard output. */
int serve_ask(const char *name);

#endif
