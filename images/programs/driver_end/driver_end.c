// SPDX-License-Identifier: GPL-2.0-only
/*
 * driver_end IFNAME FIRST MOST [DRIVER ADDRESS ALONE]
 *
 * The end of a run: the interface goes down, and whoever holds a packet has time to let go of it: FIRST seconds, then
 * MOST in all while there still is somebody. Meanwhile a socket without a program ends with its next retransmission.
 *
 * With DRIVER and a PCI ADDRESS the driver is unbound then; with ALONE (1), all programs are killed behind that.
 * Prints the page pools without an interface that there were before ({"orphans":[...]}, as netdev_dump --pool-stats),
 * "gone" or "bound", the pools of that kind that are left and, with ALONE, the last line of the kernel's list of DMA
 * buffers once nobody can hold one any more. What the kernel does not say is an empty line. On stderr: how long the
 * first wait was, and for whom.
 *
 * One program and not a script of several: each costs a User Mode Linux guest more than what it asks of the kernel.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "driver_end/holders.h"
#include "lib/fail.h"

#define MOST_ORPHANS "/proc/sys/net/ipv4/tcp_max_orphans"
#define DMA_BUFFERS "/sys/kernel/debug/dma_buf/bufinfo"

static void pause_ms(unsigned long long ms)
{
	struct timespec rest = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

/* What cannot be written is as it was, which whoever looks next finds. */
static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

static void take_down(const char *name)
{
	struct ifreq interface = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(interface.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0)
		return;
	if (!ioctl(fd, SIOCGIFFLAGS, &interface)) {
		interface.ifr_flags &= ~IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &interface))
			fprintf(stderr, "down %s: %s\n", name, strerror(errno));
	}
	close(fd);
}

static void let_go(const char *name, unsigned long long first_s, unsigned long long most_s)
{
	unsigned long long waited_s = first_s;
	const char *who, *last = first_s < most_s ? "nobody" : "nobody was asked";
	char orphans[32] = "";
	int fd;

	take_down(name);
	if (!most_s)
		return;
	fd = open(MOST_ORPHANS, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, orphans, sizeof(orphans) - 1) < 0)
		*orphans = '\0';
	if (fd >= 0)
		close(fd);
	write_text(MOST_ORPHANS, "0");
	pause_ms(first_s * 1000);
	for (unsigned long long more_s = first_s ? first_s : 1; waited_s < most_s && (who = who_holds()); waited_s += more_s) {
		last = who;
		more_s = waited_s + more_s < most_s ? more_s : most_s - waited_s;
		pause_ms(more_s * 1000);
	}
	if (*orphans)
		write_text(MOST_ORPHANS, orphans);
	fprintf(stderr, "waited %llu s: %s\n", waited_s, last);
}

static void unbind(const char *driver, const char *address)
{
	char bound[512], path[512];

	snprintf(bound, sizeof(bound), "/sys/bus/pci/drivers/%s/%s", driver, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
	if (!access(bound, F_OK))
		write_text(path, address);
	puts(access(bound, F_OK) ? "gone" : "bound");
}

/* As long as one is detached, until they are listed for the last time. */
static void list_left(void)
{
	static const unsigned int waits_ms[] = { 1000, 4000, 20000, 60000, 120000 };
	bool held = true;

	for (size_t i = 0; held && i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
		held = is_orphan_detached();
		if (held)
			pause_ms(waits_ms[i]);
	}
	write_orphans();
}

/* Whether there are any, and the last line of their list: "Total N objects, ..." (dma_buf_debug_show() in
 * drivers/dma-buf/dma-buf.c). */
static bool read_dma_buffers(char *line, size_t size)
{
	FILE *list = fopen(DMA_BUFFERS, "re");
	char text[512];

	*line = '\0';
	while (list && fgets(text, sizeof(text), list))
		if (!strncmp(text, "Total", strlen("Total")))
			snprintf(line, size, "%s", text);
	if (list)
		fclose(list);
	return *line && strncmp(line, "Total 0 ", strlen("Total 0 "));
}

static void end_programs(void)
{
	static const unsigned int waits_ms[] = { 100, 1000, 4000, 20000, 60000 };
	char line[512];

	kill(-1, SIGKILL);
	for (size_t i = 0; read_dma_buffers(line, sizeof(line)) && i < sizeof(waits_ms) / sizeof(*waits_ms); i++)
		pause_ms(waits_ms[i]);
	printf("%s", line);
}

int main(int argc, char **argv)
{
	if (argc != 4 && argc != 7) {
		fprintf(stderr, "usage: driver_end IFNAME FIRST MOST [DRIVER ADDRESS ALONE]\n");
		return USAGE_STATUS;
	}
	let_go(argv[1], number_argument("FIRST", argv[2]), number_argument("MOST", argv[3]));
	if (argc == 4)
		return 0;
	write_orphans();
	unbind(argv[4], argv[5]);
	list_left();
	if (!strcmp(argv[6], "1"))
		end_programs();
	return 0;
}
