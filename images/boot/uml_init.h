/* SPDX-License-Identifier: GPL-2.0-only */
/* Process 1 of a User Mode Linux guest: uml_setup.c makes the guest, uml_init.c is its agent. */
#ifndef TESTBED_UML_INIT_H
#define TESTBED_UML_INIT_H

#include <stddef.h>

// To the kernel's log, with errno.
void complain(const char *what);

// The same, and the guest panics.
void die(const char *what) __attribute__((noreturn));

// The first device of that name, once there is one; dies if it does not come.
int open_device(const char *pattern, int flags);

void write_all(int fd, const void *from, size_t length);

// The root image below a throw-away tmpfs, what programs expect to be mounted, and loopback.
void set_up(void);

#endif
