// SPDX-License-Identifier: GPL-2.0-only
// First program of a guest: loads the boot modules, puts a throw-away tmpfs over the read-only
// root image (/dev/vda), adds the kernel's modules (/dev/vdb) and becomes /sbin/init of that.
// On failure it exits, which makes the kernel panic with the reason above it in the log.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DISK_WAIT_MS 10000

static void die(const char *what)
{
	fprintf(stderr, "testbed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void load_modules(void)
{
	char path[256];
	FILE *list = fopen("/modules.list", "re");

	if (!list)
		die("/modules.list");
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			die(path);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			die(path);
		close(fd);
	}
	fclose(list);
}

static void wait_for(const char *disk)
{
	struct timespec pause = { .tv_nsec = 5000000 };

	for (int waited_ms = 0; access(disk, F_OK); waited_ms += 5) {
		if (waited_ms > DISK_WAIT_MS)
			die(disk);
		nanosleep(&pause, NULL);
	}
}

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags,
		     const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options)) {
		fprintf(stderr, "testbed: mount %s (%s) on %s\n", source, type, target);
		die("mount");
	}
}

int main(void)
{
	mount_at("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	wait_for("/dev/vda");
	mount_at("/dev/vda", "/image", "erofs", MS_RDONLY, NULL);
	mount_at("tmpfs", "/changes", "tmpfs", 0, "mode=0755");
	mkdir("/changes/upper", 0755);
	mkdir("/changes/work", 0755);
	mount_at("root", "/root", "overlay", 0,
		 "lowerdir=/image,upperdir=/changes/upper,workdir=/changes/work");
	wait_for("/dev/vdb");
	mount_at("/dev/vdb", "/root/usr/lib/modules", "erofs", MS_RDONLY, NULL);
	umount2("/dev", MNT_DETACH);
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("switching to the root image");
	execl("/sbin/init", "/sbin/init", NULL);
	die("/sbin/init");
}
