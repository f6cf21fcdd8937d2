// SPDX-License-Identifier: GPL-2.0-only
/*
 * User Mode Linux: set_ptes() maps wrong pages when it is given three or more. A fork copies the mapping of an io_uring in
 * batches, so that the child has foreign pages in it; the kernel notices when the child ends.
 *
 * gcc -O2 reproduce.c -o reproduce -luring     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs no privilege but to read /dev/kmsg, and no network card. The kernel is not to be trusted afterwards.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CQE32, .cq_entries = 4096 };
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), count = 0;
	struct io_uring ring;
	char line[8192];
	ssize_t length;
	pid_t child;

	if (log < 0 || lseek(log, 0, SEEK_END) < 0 || io_uring_queue_init_params(64, &ring, &params)) {
		puts("SKIP: no /dev/kmsg, or no io_uring");
		return 4;
	}
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	while ((length = read(log, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		if (strstr(line, "Bad page map in process")) {
			fputs(strchr(line, ';') + 1, stdout);
			count++;
		}
	}
	if (count) {
		printf("SHOWN: %d pages of the child were not those of the ring\n", count);
		return 1;
	}
	puts("absent: the child had the pages of the ring");
	return 0;
}
