// SPDX-License-Identifier: GPL-2.0-only
// What a User Mode Linux guest has before it serves anybody: a throw-away tmpfs over the read-only
// root image (/dev/vda), what programs expect to be mounted, and loopback.
#define _GNU_SOURCE
#include "uml_init.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DISK "/dev/vda"
#define PAUSE_NS 1000000
#define DEVICE_WAIT_MS 10000
#define FAULT_AROUND_BYTES "1048576"

static const struct {
	const char *source, *target, *type, *options;
} mounts[] = {
	{ "proc", "/proc", "proc", NULL },
	{ "sysfs", "/sys", "sysfs", NULL },
	{ "dev", "/dev", "devtmpfs", "mode=0755" },
	{ "devpts", "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", "tmpfs", "mode=1777" },
	{ "tmpfs", "/run", "tmpfs", "mode=0755" },
	{ "tmpfs", "/tmp", "tmpfs", "mode=1777" },
	{ "debugfs", "/sys/kernel/debug", "debugfs", NULL },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

static int kmsg = -1;

void complain(const char *what)
{
	dprintf(kmsg, "testbed: %s: %s\n", what, strerror(errno));
}

void die(const char *what)
{
	complain(what);
	exit(1);
}

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags,
		     const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options))
		die(target);
}

int open_device(const char *pattern, int flags)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	int fd = -1;

	for (int waited_ms = 0; fd < 0; waited_ms++) {
		glob_t found;

		if (!glob(pattern, 0, NULL, &found)) {
			fd = open(found.gl_pathv[0], flags | O_CLOEXEC);
			globfree(&found);
		}
		if (waited_ms > DEVICE_WAIT_MS)
			die(pattern);
		if (fd < 0)
			nanosleep(&pause, NULL);
	}
	return fd;
}

static void enter_image(void)
{
	mount_at("dev", "/dev", "devtmpfs", 0, NULL);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	close(open_device(DISK, O_RDONLY));
	mount_at(DISK, "/image", "erofs", MS_RDONLY, NULL);
	mount_at("tmpfs", "/changes", "tmpfs", 0, "mode=0755");
	mkdir("/changes/upper", 0755);
	mkdir("/changes/work", 0755);
	mount_at("root", "/root", "overlay", 0,
		 "lowerdir=/image,upperdir=/changes/upper,workdir=/changes/work");
	umount2("/dev", MNT_DETACH);
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("switching to the root image");
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].source, mounts[i].target, mounts[i].type, MS_NOSUID,
			  mounts[i].options))
			complain(mounts[i].target);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) && errno != EEXIST)
			complain(links[i][1]);
}

void write_all(int fd, const void *from, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t put = write(fd, (const char *)from + done, length - done);

		if (put < 0 && errno != EINTR)
			return;
		done += put > 0 ? (size_t)put : 0;
	}
}

// A fault costs a guest more than what it brings: a program of a few libraries starts in a tenth
// less time.
static void map_more_at_once(void)
{
	int fd = open("/sys/kernel/debug/fault_around_bytes", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		write_all(fd, FAULT_AROUND_BYTES, sizeof(FAULT_AROUND_BYTES) - 1);
		close(fd);
	}
}

static void loopback_up(void)
{
	struct ifreq interface = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &interface))
		complain("lo");
	if (fd >= 0)
		close(fd);
}

void set_up(void)
{
	enter_image();
	reboot(RB_DISABLE_CAD);
	sethostname("dut", 3);
	map_more_at_once();
	loopback_up();
	mkdir("/run/testbed", 0700);
}
