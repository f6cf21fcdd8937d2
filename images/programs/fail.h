/* SPDX-License-Identifier: GPL-2.0-only */
/* How a guest program ends when something is wrong: one line on stderr, exit status 1. */
#ifndef TESTBED_FAIL_H
#define TESTBED_FAIL_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char *program_invocation_short_name;

/* strerrorname_np() is glibc's; it knows EOPNOTSUPP where strerror() only has prose. */
static inline const char *error_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "E?";
}

static inline void __attribute__((noreturn, format(printf, 2, 3)))
fail_with(int number, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (number)
		fprintf(stderr, ": %s (%s)", error_name(number), strerror(number));
	fputc('\n', stderr);
	exit(1);
}

#define fail_errno(...) fail_with(errno, __VA_ARGS__)
#define fail(...) fail_with(0, __VA_ARGS__)

#define USAGE_STATUS 2

/* A decimal or 0x number with an optional K, M or G (powers of 1024) behind it. */
static inline unsigned long long number_argument(const char *name, const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (end == text || errno || *text == '-')
		fail("%s: '%s' is not a number", name, text);
	switch (*end) {
	case 'G':
		value <<= 10; /* fall through */
	case 'M':
		value <<= 10; /* fall through */
	case 'K':
		value <<= 10;
		end++;
	}
	if (*end)
		fail("%s: '%s' is not a number", name, text);
	return value;
}

#endif
