// SPDX-License-Identifier: GPL-2.0-only
// Linked into a UML kernel, which is a program of the host: compiled with glibc 2.38 or later it
// would ask for these names, which older hosts lack. All they add is the prefix 0b of C23.
#include <stdlib.h>

long __isoc23_strtol(const char *text, char **end, int base)
{
	return strtol(text, end, base);
}

unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
	return strtoul(text, end, base);
}

unsigned long long __isoc23_strtoull(const char *text, char **end, int base)
{
	return strtoull(text, end, base);
}
