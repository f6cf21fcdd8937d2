// SPDX-License-Identifier: GPL-2.0-only
// Stays on a lab machine and puts it back: lab_guard FOLDER LEASE_S, or lab_guard FOLDER wait S.
//
// Holds a lock on FOLDER/lock. Standard input brings a line now and then: "end", or anything else
// as a sign of life. After "end", at its end, on SIGTERM, or after LEASE_S seconds of silence all
// processes that carry TESTBED_LAB=FOLDER in their environment are killed (those in a driver's
// probe once they have left it, as not every driver survives that), and
// `sh FOLDER/restore.sh FOLDER` runs, whatever has become of the connection; its output is copied
// to FOLDER/verdict and to standard output.
//
// "wait" returns 0 once nobody holds the lock, 1 if that takes longer than S seconds.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_ROUNDS 300
#define PROBE_ROUNDS 250

static volatile sig_atomic_t end_requested;

static void on_signal(int number)
{
	(void)number;
	end_requested = 1;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_lock(const char *folder)
{
	char path[4352];

	snprintf(path, sizeof(path), "%s/lock", folder);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static int wait_free(const char *folder, int seconds)
{
	int lock = open_lock(folder);

	for (int tries = seconds * 10; lock >= 0; tries--) {
		if (flock(lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (tries <= 0)
			return 1;
		usleep(100000);
	}
	return errno == ENOENT ? 0 : 1;
}

// What /proc says of a process, with a zero byte behind; its length.
static size_t look_up(const char *pid, const char *name, char *text, size_t size)
{
	char path[64];
	size_t length;

	snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, name);
	FILE *file = fopen(path, "r");
	length = file != NULL ? fread(text, 1, size - 1, file) : 0;
	if (file != NULL)
		fclose(file);
	text[length] = '\0';
	return length;
}

static int is_ours(const char *pid, const char *mark)
{
	static char environment[1 << 18];
	size_t length = look_up(pid, "environ", environment, sizeof(environment));

	for (size_t at = 0; at < length; at += strlen(environment + at) + 1)
		if (strcmp(environment + at, mark) == 0)
			return 1;
	return 0;
}

// It loads a driver, or the kernel's stack says that it binds one to its device.
static int is_probing(const char *pid)
{
	char name[32], stack[1 << 14];

	look_up(pid, "comm", name, sizeof(name));
	look_up(pid, "stack", stack, sizeof(stack));
	return strcmp(name, "modprobe\n") == 0 || strcmp(name, "insmod\n") == 0 ||
	       strstr(stack, " really_probe+") != NULL;
}

static int kill_ours(const char *mark, int spare_probes)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		pid_t pid = atoi(entry->d_name);
		if (pid <= 0 || pid == getpid() || !is_ours(entry->d_name, mark))
			continue;
		found++;
		if (!spare_probes || !is_probing(entry->d_name))
			kill(pid, SIGKILL);
	}
	if (proc != NULL)
		closedir(proc);
	return found;
}

static void await_end(int lease_s)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[4096];

	while (!end_requested) {
		int ready = poll(&input, 1, lease_s * 1000);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return;
		ssize_t got = read(STDIN_FILENO, line, sizeof(line) - 1);
		if (got <= 0)
			return;
		line[got] = '\0';
		if (strstr(line, "end\n") != NULL)
			return;
	}
}

static void restore(const char *folder)
{
	char path[4352];
	char buffer[4096];
	ssize_t got;

	snprintf(path, sizeof(path), "%s/verdict", folder);
	int verdict = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t child = fork();
	if (child == 0) {
		dup2(nothing, STDIN_FILENO);
		dup2(verdict, STDOUT_FILENO);
		dup2(verdict, STDERR_FILENO);
		snprintf(path, sizeof(path), "%s/restore.sh", folder);
		execlp("sh", "sh", path, folder, (char *)NULL);
		_exit(127);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	lseek(verdict, 0, SEEK_SET);
	while ((got = read(verdict, buffer, sizeof(buffer))) > 0)
		if (write(STDOUT_FILENO, buffer, got) < 0)
			break;
}

int main(int argc, char **argv)
{
	struct sigaction ending = {.sa_handler = on_signal};
	char mark[4352];

	if (argc == 4 && strcmp(argv[2], "wait") == 0)
		return wait_free(argv[1], atoi(argv[3]));
	if (argc != 3) {
		fprintf(stderr, "usage: lab_guard FOLDER LEASE_S | lab_guard FOLDER wait SECONDS\n");
		return 1;
	}
	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	sigaction(SIGTERM, &ending, NULL);
	if (chdir("/") < 0)
		fail("/");
	int lock = open_lock(argv[1]);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		fail("lock");
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	await_end(atoi(argv[2]));
	snprintf(mark, sizeof(mark), "TESTBED_LAB=%s", argv[1]);
	for (int round = 0; round < KILL_ROUNDS && kill_ours(mark, round < PROBE_ROUNDS) > 0; round++)
		usleep(100000);
	restore(argv[1]);
	return 0;
}
