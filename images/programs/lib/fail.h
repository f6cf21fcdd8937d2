/* SPDX-License-Identifier: GPL-2.0-only */
/* How a guest program ends when something is wrong: one line on stderr, exit status 1. */
#ifndef TESTBED_FAIL_H
#define TESTBED_FAIL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "EINVAL"; "E?" for what is no errno. */
const char *error_name(int number);

void __attribute__((noreturn, format(printf, 2, 3))) fail_with(int number, const char *format, ...);

#define fail_errno(...) fail_with(errno, __VA_ARGS__)
#define fail(...) fail_with(0, __VA_ARGS__)

#define USAGE_STATUS 2

/* A decimal or 0x number with an optional K, M or G (powers of 1024) behind it. */
unsigned long long number_argument(const char *name, const char *text);

#endif
