// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/fail.h"

#include <stdarg.h>

/* strerrorname_np() is glibc's; it knows EOPNOTSUPP where strerror() only has prose. */
const char *error_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "E?";
}

void fail_with(int number, const char *format, ...)
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

unsigned long long number_argument(const char *name, const char *text)
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
