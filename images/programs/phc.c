// SPDX-License-Identifier: GPL-2.0-only
/*
 * phc DEVICE get | set NS | step NS | frequency PPB | pps STATE | release PIN
 * phc DEVICE output PIN MS
 * phc DEVICE edges PIN COUNT MS
 *
 * A PTP hardware clock: reads it, sets it, steps it and changes its frequency (both signed); has its own seconds told
 * as PPS (STATE 0 or 1), makes a pin send a pulse each MS milliseconds, or nothing. All print the time afterwards,
 * {"time":NS}. `edges` makes a pin an input and prints the times of so many pulses, or of those that came within MS
 * milliseconds: {"edges":[NS,...]}.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"

#define SECOND 1000000000LL
#define CLOCK_OF(fd) ((~(clockid_t)(fd) << 3) | 3) /* dynamic POSIX clocks, posix-timers.h */
#define SCALED_PPM(ppb) ((ppb) * 65536 / 1000)

static long long signed_argument(const char *name, const char *text)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		fail("%s: '%s' is not a number", name, text);
	return value;
}

static long long now(int fd)
{
	struct timespec time;

	if (clock_gettime(CLOCK_OF(fd), &time))
		fail_errno("clock_gettime");
	return time.tv_sec * SECOND + time.tv_nsec;
}

static void set(int fd, long long value)
{
	struct timespec time = { value / SECOND, value % SECOND };

	if (clock_settime(CLOCK_OF(fd), &time))
		fail_errno("clock_settime");
}

static void step(int fd, long long delta)
{
	struct timex change = { .modes = ADJ_SETOFFSET | ADJ_NANO };

	change.time.tv_sec = delta / SECOND - (delta % SECOND < 0);
	change.time.tv_usec = delta - change.time.tv_sec * SECOND;
	if (clock_adjtime(CLOCK_OF(fd), &change) < 0)
		fail_errno("clock_adjtime");
}

static void set_frequency(int fd, long long ppb)
{
	struct timex change = { .modes = ADJ_FREQUENCY, .freq = SCALED_PPM(ppb) };

	if (clock_adjtime(CLOCK_OF(fd), &change) < 0)
		fail_errno("clock_adjtime");
}

static void use_pin(int fd, unsigned int pin, enum ptp_pin_function function)
{
	struct ptp_pin_desc wanted = { .index = pin, .func = function };

	if (ioctl(fd, PTP_PIN_SETFUNC2, &wanted))
		fail_errno("pin %u", pin);
}

static void send_pulses(int fd, long long period)
{
	struct ptp_perout_request wanted = {
		.start.sec = now(fd) / SECOND + 1,
		.period = { period / SECOND, period % SECOND },
	};

	if (ioctl(fd, PTP_PEROUT_REQUEST2, &wanted))
		fail_errno("PTP_PEROUT_REQUEST2");
}

static void print_edges(int fd, unsigned int count, int wait_ms)
{
	struct ptp_extts_request wanted = { .flags = PTP_ENABLE_FEATURE | PTP_RISING_EDGE };
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct ptp_extts_event event;

	if (ioctl(fd, PTP_EXTTS_REQUEST2, &wanted))
		fail_errno("PTP_EXTTS_REQUEST2");
	printf("{\"edges\":[");
	for (unsigned int i = 0; i < count && poll(&wait, 1, wait_ms) == 1; i++) {
		if (read(fd, &event, sizeof(event)) != sizeof(event))
			fail_errno("read");
		printf("%s%lld", i ? "," : "", event.t.sec * SECOND + event.t.nsec);
	}
	printf("]}\n");
	wanted.flags = 0;
	if (ioctl(fd, PTP_EXTTS_REQUEST2, &wanted))
		fail_errno("PTP_EXTTS_REQUEST2");
}

static int arguments_of(const char *what)
{
	if (!strcmp(what, "get"))
		return 0;
	if (!strcmp(what, "output"))
		return 2;
	return strcmp(what, "edges") ? 1 : 3;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	int fd;

	if (argc < 3 || argc != 3 + arguments_of(what)) {
		fprintf(stderr, "usage: phc DEVICE get | set NS | step NS | frequency PPB | pps STATE | release PIN"
				" | output PIN MS | edges PIN COUNT MS\n");
		return USAGE_STATUS;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail_errno("%s", argv[1]);
	if (!strcmp(what, "edges")) {
		use_pin(fd, number_argument("PIN", argv[3]), PTP_PF_EXTTS);
		print_edges(fd, number_argument("COUNT", argv[4]), number_argument("MS", argv[5]));
		return 0;
	}
	if (!strcmp(what, "set"))
		set(fd, signed_argument("NS", argv[3]));
	else if (!strcmp(what, "step"))
		step(fd, signed_argument("NS", argv[3]));
	else if (!strcmp(what, "frequency"))
		set_frequency(fd, signed_argument("PPB", argv[3]));
	else if (!strcmp(what, "output")) {
		use_pin(fd, number_argument("PIN", argv[3]), PTP_PF_PEROUT);
		send_pulses(fd, number_argument("MS", argv[4]) * (SECOND / 1000));
	} else if (!strcmp(what, "release"))
		use_pin(fd, number_argument("PIN", argv[3]), PTP_PF_NONE);
	else if (!strcmp(what, "pps")) {
		if (ioctl(fd, PTP_ENABLE_PPS2, number_argument("STATE", argv[3])))
			fail_errno("PTP_ENABLE_PPS2");
	} else if (strcmp(what, "get"))
		fail("'%s' is unknown", what);
	printf("{\"time\":%lld}\n", now(fd));
	return 0;
}
