// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "driver_end/holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/netlink.h"
#include "lib/page_pools.h"

#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD of linux/sched.h */
#define EXITING_RING "+iou_exit" /* what a worker that takes a ring down is called: wq_worker_comm(), io_uring.c */

static bool read_file(int folder, const char *path, char *into, size_t size)
{
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, into, size - 1);

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return false;
	into[length] = '\0';
	return true;
}

static bool is_number(const char *name)
{
	return *name >= '0' && *name <= '9';
}

/* A folder of tasks; those that end meanwhile hold nothing. */
static const char *task_holds(int folder)
{
	DIR *tasks = fdopendir(folder);
	const char *who = NULL;
	struct dirent *entry;

	if (!tasks)
		return "no list of tasks";
	while (!who && (entry = readdir(tasks))) {
		char path[64], stat[512], *name, *rest, state;
		unsigned int flags;
		int threads;

		snprintf(path, sizeof(path), "%.20s/stat", entry->d_name);
		if (!is_number(entry->d_name) || !read_file(folder, path, stat, sizeof(stat)))
			continue;
		/* proc_pid_stat(5): its name in brackets, state, then 5 fields, the flags, 10 more, and the threads */
		name = strchr(stat, '(');
		rest = strrchr(stat, ')');
		if (!name || !rest || sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d",
					     &state, &flags, &threads) != 3)
			continue;
		*rest = '\0';
		if (state == 'D')
			who = "a task that waits uninterruptibly";
		else if (flags & KERNEL_THREAD)
			who = strstr(name, EXITING_RING) ? "a ring of io_uring" : NULL;
		else if (threads > 1) {
			snprintf(path, sizeof(path), "%.20s/task", entry->d_name);
			int inner = openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			who = inner < 0 ? NULL : task_holds(inner);
		}
	}
	closedir(tasks);
	return who;
}

/* Of all namespaces (sockstat_seq_show() in net/ipv4/proc.c). */
static bool socket_holds(void)
{
	char text[512], *at;

	if (!read_file(AT_FDCWD, "/proc/net/sockstat", text, sizeof(text)))
		return true;
	at = strstr(text, " orphan ");
	return !at || atoi(at + strlen(" orphan "));
}

/* `unsaid` if the kernel does not say. */
static bool is_pool_detached(uint64_t ifindex, bool unsaid)
{
	struct netlink netlink;
	bool detached;

	if (netlink_try_open(&netlink, NETDEV_FAMILY_NAME) || list_page_pools(&netlink, ifindex, NULL, &detached))
		detached = unsaid;
	netlink_close(&netlink);
	return detached;
}

bool is_orphan_detached(void)
{
	return is_pool_detached(0, false);
}

const char *who_holds(void)
{
	int tasks;

	if (socket_holds())
		return "a socket";
	if (is_pool_detached(ANY_INTERFACE, true))
		return "a page pool";
	tasks = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tasks < 0 ? "no list of tasks" : task_holds(tasks);
}

void write_orphans(void)
{
	struct netlink netlink;

	if (!netlink_try_open(&netlink, NETDEV_FAMILY_NAME)) {
		printf("{\"orphans\":");
		if (!list_page_pools(&netlink, 0, stdout, NULL))
			putchar('}');
	}
	putchar('\n');
	netlink_close(&netlink);
}
