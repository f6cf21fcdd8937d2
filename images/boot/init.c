// SPDX-License-Identifier: GPL-2.0-only
// Process 1 of a guest: mounts, loopback, qemu-guest-agent on its virtio-serial port, a root shell
// on hvc0; then it reaps children and restarts those two. SIGUSR2 powers off, SIGINT restarts.
// There is no udev: device nodes come from devtmpfs, the agent's port is found in /sys.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT_PORT "org.qemu.guest_agent.0"
#define CONSOLE "/dev/hvc0"
#define STOP_WAIT_MS 500
#define RESTART_PAUSE_MS 200

static const struct {
	const char *source, *target, *type, *options;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "dev", "/dev", "devtmpfs", "mode=0755", MS_NOSUID },
	{ "devpts", "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "cgroup2", "/sys/fs/cgroup", "cgroup2", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "bpf", "/sys/fs/bpf", "bpf", "mode=0700", MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "debugfs", "/sys/kernel/debug", "debugfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "tracefs", "/sys/kernel/tracing", "tracefs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "hugetlbfs", "/dev/hugepages", "hugetlbfs", NULL, MS_NOSUID | MS_NODEV },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

static char agent_device[300];
static pid_t agent, shell;

static void complain(const char *what)
{
	fprintf(stderr, "testbed: %s: %s\n", what, strerror(errno));
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].options))
			complain(mounts[i].target);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) && errno != EEXIST)
			complain(links[i][1]);
}

static void redirect_to_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		return;
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		complain("lo");
	if (fd >= 0)
		close(fd);
}

// A host folder that QEMU offers by virtiofs: `virtiofs=TAG` on the kernel's command line.
static void mount_share(void)
{
	char line[4096] = "", *tag;
	FILE *file = fopen("/proc/cmdline", "re");

	if (!file)
		return;
	if (fgets(line, sizeof(line), file) && (tag = strstr(line, "virtiofs="))) {
		tag += strlen("virtiofs=");
		tag[strcspn(tag, " \n")] = 0;
		mkdir("/share", 0755);
		if (mount(tag, "/share", "virtiofs", MS_NOSUID | MS_NODEV, NULL))
			complain("/share");
	}
	fclose(file);
}

// Give every named virtio-serial port its link in /dev/virtio-ports; note the agent's device.
static void name_ports(void)
{
	DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *port;

	mkdir("/dev/virtio-ports", 0755);
	while (ports && (port = readdir(ports))) {
		char path[600], name[200] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", port->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && name[0] && name[0] != '\n') {
			name[strcspn(name, "\n")] = 0;
			snprintf(path, sizeof(path), "/dev/virtio-ports/%s", name);
			char target[300];

			snprintf(target, sizeof(target), "/dev/%s", port->d_name);
			if (symlink(target, path) && errno != EEXIST)
				complain(path);
			if (!strcmp(name, AGENT_PORT))
				strcpy(agent_device, target);
		}
		fclose(file);
	}
	if (ports)
		closedir(ports);
}

static pid_t start(void (*become)(void))
{
	pid_t child = fork();

	if (child < 0)
		complain("fork");
	if (child)
		return child;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	become();
	_exit(127);
}

static void become_agent(void)
{
	execl("/usr/sbin/qemu-ga", "qemu-ga", "--method=virtio-serial", "--path", agent_device,
	      "--statedir=/run", NULL);
	complain("qemu-ga");
}

static void become_shell(void)
{
	int fd = open(CONSOLE, O_RDWR);

	if (fd < 0)
		return;
	ioctl(fd, TIOCSCTTY, 1);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
	if (chdir(getenv("HOME")))
		complain("chdir");
	execl("/bin/bash", "-bash", NULL);
	complain("/bin/bash");
}

static void start_missing(void)
{
	if (agent <= 0 && agent_device[0])
		agent = start(become_agent);
	if (shell <= 0 && !access(CONSOLE, F_OK))
		shell = start(become_shell);
}

static void reap(void)
{
	pid_t child;
	int restart = 0;

	while ((child = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (child == agent)
			agent = 0, restart = 1;
		if (child == shell)
			shell = 0, restart = 1;
	}
	if (restart) {
		pause_ms(RESTART_PAUSE_MS);
		start_missing();
	}
}

static void stop(int how)
{
	kill(-1, SIGTERM);
	for (int waited_ms = 0; waited_ms < STOP_WAIT_MS; waited_ms += 10) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			break;
		pause_ms(10);
	}
	kill(-1, SIGKILL);
	sync();
	reboot(how);
}

int main(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("TERM", "xterm-256color", 1);
	mount_all();
	redirect_to_console();
	reboot(RB_DISABLE_CAD);
	sethostname("dut", 3);
	loopback_up();
	mount_share();
	name_ports();
	start_missing();
	for (;;) {
		int number = 0;

		sigwait(&all, &number);
		if (number == SIGCHLD)
			reap();
		if (number == SIGUSR2)
			stop(RB_POWER_OFF);
		if (number == SIGINT)
			stop(RB_AUTOBOOT);
	}
}
