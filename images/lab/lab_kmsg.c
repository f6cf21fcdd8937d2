// SPDX-License-Identifier: GPL-2.0-only
// Print what the kernel logs from now on, as its console would: "[seconds] text". Each line of
// standard input is printed back, once all that was logged before it has been; ends with it.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

// Documentation/ABI/testing/dev-kmsg: "level,sequence,microseconds,flags;text\n KEY=value\n"
static void print_record(char *record)
{
	unsigned long long time_us;
	char *text = strchr(record, ';');

	if (text == NULL || sscanf(record, "%*u,%*u,%llu", &time_us) != 1)
		return;
	text[1 + strcspn(text + 1, "\n")] = '\0';
	printf("[%5llu.%06llu] %s\n", time_us / 1000000, time_us % 1000000, text + 1);
}

static void print_new(int kmsg)
{
	char record[8193];

	for (;;) {
		ssize_t length = read(kmsg, record, sizeof(record) - 1);

		if (length < 0 && errno == EPIPE) {
			printf("(records were lost)\n");
			continue;
		}
		if (length < 0 && errno == EAGAIN)
			return;
		if (length <= 0)
			fail("/dev/kmsg");
		record[length] = '\0';
		print_record(record);
	}
}

int main(void)
{
	char line[256];
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	struct pollfd fds[] = {{.fd = kmsg, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		fail("/dev/kmsg");
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			fail("poll");
		ssize_t got = 0;
		if (fds[1].revents) {
			got = read(STDIN_FILENO, line, sizeof(line));
			if (got <= 0)
				return 0;
		}
		print_new(kmsg);
		fwrite(line, 1, got, stdout);
		if (fflush(stdout) != 0)
			return 1;
	}
}
