// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcrx: the area of a zero-copy receive queue is mapped for a card of bnxt_en in segments that are longer than the 64 KiB
 * it claims to support.
 *
 * gcc -O2 reproduce.c -o reproduce -luring     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs root, liburing 2.10 and CONFIG_DMA_API_DEBUG_SG. Whether pages are neighbours is up to the page allocator.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <liburing.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define AREA_BYTES (4 << 20)
#define REFILL_BYTES (64 << 10)

static struct io_uring ring;
static unsigned char *area;
static unsigned int zcrx_id;

static void __attribute__((noreturn, format(printf, 1, 2))) skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("SKIP: ", stdout);
	vprintf(format, arguments);
	puts("");
	exit(4);
}

static char device[32], nic[32];

/* The first card of bnxt_en: its PCI address, its interface. */
static void find_nic(void)
{
	glob_t found;

	if (glob("/sys/bus/pci/drivers/bnxt_en/*/net/*", 0, NULL, &found) ||
	    sscanf(found.gl_pathv[0], "/sys/bus/pci/drivers/bnxt_en/%31[^/]/net/%31s", device, nic) != 2)
		skip("no interface of bnxt_en");
	if (geteuid())
		skip("must be root");
}

/* Registers queue `queue` for zero-copy receive into `area`. Returns the io_uring status. */
static int register_queue(unsigned int queue)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 4096,
	};
	struct io_uring_region_desc region = { .size = REFILL_BYTES, .flags = IORING_MEM_REGION_TYPE_USER };
	struct io_uring_zcrx_area_reg area_reg = { .addr = (uintptr_t)area, .len = AREA_BYTES };
	struct io_uring_zcrx_ifq_reg ifq = {
		.if_idx = if_nametoindex(nic), .if_rxq = queue, .rq_entries = AREA_BYTES / 4096,
		.area_ptr = (uintptr_t)&area_reg, .region_ptr = (uintptr_t)&region,
	};
	int status = io_uring_queue_init_params(64, &ring, &params);

	if (status)
		skip("io_uring_setup: %s", strerror(-status));
	region.user_addr = (uintptr_t)mmap(NULL, REFILL_BYTES, PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	status = io_uring_register_ifq(&ring, &ifq);
	zcrx_id = ifq.zcrx_id;
	return status;
}

/* Prints what the kernel has said since `log` was opened that has one of the words; how many lines those are. */
static int complaints(int log)
{
	static const char *const words[] = { "mapping sg segment longer" };
	char line[8192];
	ssize_t length;
	int count = 0;

	while ((length = read(log, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			if (strstr(line, words[i])) {
				fputs(strchr(line, ';') + 1, stdout);
				count++;
				break;
			}
		}
	}
	return count;
}

int main(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), status;
	char command[128];

	find_nic();
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL); /* unless it is there */
	if (access("/sys/kernel/debug/dma-api", F_OK))
		skip("this kernel does not look (DMA_API_DEBUG)");
	snprintf(command, sizeof(command), "ethtool -G %s tcp-data-split on hds-thresh 0", nic);
	if (system(command))
		skip("%s fails", command);
	area = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	lseek(log, 0, SEEK_END);
	status = register_queue(0);
	if (status)
		skip("queue 0 of %s cannot be registered: %s", nic, strerror(-status));
	printf("registered as %u\n", zcrx_id);
	io_uring_queue_exit(&ring);
	if (complaints(log)) {
		puts("SHOWN: the segments are longer than the device supports");
		return 1;
	}
	puts("absent: mapped without a complaint");
	return 0;
}
