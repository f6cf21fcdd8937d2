// SPDX-License-Identifier: GPL-2.0-only
// Process 1 and agent of a User Mode Linux guest: serves the runner on a virtio-serial port.
// Runner and guest take turns: after each answer the guest stands still until the next request,
// so nothing here depends on how long the runner takes.
//
// A message is a length (u32) and as many bytes. Requests start with a letter; answers with the
// guest's monotonic time (u64, ns), which the card's clock follows, and 'k' (done) or 'e' (errno as
// u32 follows). Integers are little-endian, blobs are u32 length + bytes.
//   S start   blob netns, cwd, input, out, err; u32 argc, argc blobs; u32 n, n blobs environment
//                                           -> u32 pid
//   W wait    u32 pid, u64 most ns to wait  -> u32 ended, u32 wait status, blob stdout, blob stderr
//   R run     u64 most ns, then as S        -> as S, then as W
//   K kill    u32 pid: its process group    ->
//   P put     u32 append, blob path, blob content ->
//   G get     u64 offset, blob path         -> blob content (empty at the end)
//   Q quit    power off
#define _GNU_SOURCE
#include "uml_init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT "/dev/vport*p0"
#define MESSAGE_BYTES (16u << 20)
#define PIECE_BYTES (256u << 10)
#define MAX_WORDS 4096
#define HEAD_BYTES 12 // length and time of an answer

struct child {
	struct child *next;
	pid_t pid;
	int ended, status, output[2];
	off_t sent[2]; // how much of each output
};

struct bytes {
	unsigned char *at, *end;
	int bad;
};

static int port = -1;
static struct child *children;
static unsigned char *request, *answer;
static size_t answer_bytes;

static void read_all(void *to, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = read(port, (char *)to + done, length - done);

		if (got < 0 && errno != EINTR)
			die("reading the agent's port");
		done += got > 0 ? (size_t)got : 0;
	}
}

// Memory that the kernel lacks for it now, as where allocations fail on purpose, it may have then.
static void write_answer(void)
{
	for (size_t done = 0; done < answer_bytes;) {
		ssize_t put = write(port, answer + done, answer_bytes - done);

		if (put < 0 && errno != EINTR && errno != ENOMEM)
			die("writing the agent's port");
		done += put > 0 ? (size_t)put : 0;
	}
}

static uint64_t take_integer(struct bytes *from, size_t size)
{
	uint64_t value = 0;

	if ((size_t)(from->end - from->at) < size) {
		from->bad = 1;
		return 0;
	}
	memcpy(&value, from->at, size);
	from->at += size;
	return value;
}

// The bytes of a blob, followed by a 0 that overwrites what was behind it and has been read.
static char *take_blob(struct bytes *from, uint32_t *length)
{
	uint32_t size = take_integer(from, 4);

	if ((size_t)(from->end - from->at) < size) {
		from->bad = 1;
		size = 0;
	}
	unsigned char *start = from->at - 4;

	memmove(start, from->at, size);
	start[size] = 0;
	from->at += size;
	if (length)
		*length = size;
	return (char *)start;
}

static void take_words(struct bytes *from, char **words)
{
	uint32_t count = take_integer(from, 4);

	if (count >= MAX_WORDS)
		from->bad = 1;
	for (uint32_t i = 0; !from->bad && i < count; i++)
		*words++ = take_blob(from, NULL);
	*words = NULL;
}

static void put_integer(uint64_t value, size_t size)
{
	memcpy(answer + answer_bytes, &value, size);
	answer_bytes += size;
}

static void refuse(int error)
{
	answer_bytes = HEAD_BYTES;
	put_integer('e', 1);
	put_integer(error, 4);
}

static void enter_netns(const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	// /sys shows the interfaces of the namespace it was mounted in
	if (fd < 0 || setns(fd, CLONE_NEWNET) || unshare(CLONE_NEWNS) ||
	    mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) || umount2("/sys", MNT_DETACH) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL)) {
		dprintf(2, "%s: %s\n", path, strerror(errno));
		_exit(126);
	}
}

// -1 if it cannot have all of it: half a script is another script.
static int input_file(const char *content, uint32_t length)
{
	int fd = length ? memfd_create("input", MFD_CLOEXEC) : open("/dev/null", O_RDONLY);

	if (length && fd >= 0) {
		write_all(fd, content, length);
		if (lseek(fd, 0, SEEK_CUR) != length)
			return -1;
		lseek(fd, 0, SEEK_SET);
	}
	return fd;
}

// NULL if the request is refused.
static struct child *start(struct bytes *from)
{
	static char *argv[MAX_WORDS + 1], *environment[MAX_WORDS + 1];
	uint32_t input_bytes;
	char *netns = take_blob(from, NULL), *cwd = take_blob(from, NULL);
	char *input = take_blob(from, &input_bytes);
	char *out = take_blob(from, NULL), *err = take_blob(from, NULL);
	char *names[] = { out, err };
	struct child *child = calloc(1, sizeof(*child));
	char **own = environ;
	sigset_t none;

	take_words(from, argv);
	take_words(from, environment);
	if (from->bad || !argv[0] || !child) {
		free(child);
		refuse(EINVAL);
		return NULL;
	}
	for (int i = 0; i < 2; i++)
		child->output[i] = open(names[i], O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	environ = environment; // execvp() looks for PATH in it
	child->pid = child->output[0] < 0 || child->output[1] < 0 ? -1 : vfork();
	if (!child->pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		dup2(child->output[0], 1);
		dup2(child->output[1], 2);
		int in = input_file(input, input_bytes);

		if (in < 0 || dup2(in, 0) < 0) {
			dprintf(2, "its input: %s\n", strerror(errno));
			_exit(125);
		}
		if (netns[0])
			enter_netns(netns);
		if (chdir(cwd)) {
			dprintf(2, "%s: %s\n", cwd, strerror(errno));
			_exit(125);
		}
		execvp(argv[0], argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	environ = own;
	if (child->pid < 0) {
		refuse(errno);
		for (int i = 0; i < 2; i++)
			close(child->output[i]);
		free(child);
		return NULL;
	}
	child->next = children;
	children = child;
	put_integer(child->pid, 4);
	return child;
}

/* Its leader by itself, too: it may not have come to make a group yet. */
static void kill_group(pid_t leader)
{
	kill(-leader, SIGKILL);
	kill(leader, SIGKILL);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct child *child = children; child; child = child->next)
			if (child->pid == pid && !child->ended) {
				child->ended = 1;
				child->status = status;
				break;
			}
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

// A piece of a file; returns its length.
static uint32_t put_piece(int fd, off_t offset)
{
	unsigned char *length_at = answer + answer_bytes;
	ssize_t got;

	answer_bytes += 4;
	got = pread(fd, answer + answer_bytes, PIECE_BYTES, offset);
	if (got < 0)
		got = 0;
	memcpy(length_at, &(uint32_t){ got }, 4);
	answer_bytes += got;
	return got;
}

static void forget(struct child *child)
{
	struct child **link = &children;

	while (*link != child)
		link = &(*link)->next;
	*link = child->next;
	for (int i = 0; i < 2; i++)
		close(child->output[i]);
	free(child);
}

static void wait_for(struct child *child, int64_t most_ns)
{
	int64_t end = now_ns() + most_ns, left;
	unsigned char *ended = answer + answer_bytes;
	sigset_t chld;
	int more = 0;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (reap(); !child->ended && (left = end - now_ns()) > 0; reap()) {
		struct timespec rest = { left / 1000000000, left % 1000000000 };

		sigtimedwait(&chld, NULL, &rest);
	}
	put_integer(0, 4);
	put_integer(child->status, 4);
	for (int i = 0; i < 2; i++) {
		uint32_t length = put_piece(child->output[i], child->sent[i]);

		child->sent[i] += length;
		more |= length == PIECE_BYTES;
	}
	if (!child->ended || more)
		return;
	*ended = 1;
	forget(child);
}

static void wait_on(struct bytes *from)
{
	pid_t pid = take_integer(from, 4);
	int64_t most_ns = take_integer(from, 8);
	struct child *child = children;

	while (child && child->pid != pid)
		child = child->next;
	if (!child || from->bad)
		return refuse(ESRCH);
	wait_for(child, most_ns);
}

static void run(struct bytes *from)
{
	int64_t most_ns = take_integer(from, 8);
	struct child *child = start(from);

	if (child)
		wait_for(child, most_ns);
}

static void put_file(struct bytes *from)
{
	int append = take_integer(from, 4);
	char *path = take_blob(from, NULL);
	uint32_t length;
	char *content = take_blob(from, &length);
	int fd;

	if (from->bad)
		return refuse(EINVAL);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0644);
	if (fd < 0)
		return refuse(errno);
	errno = 0;
	write_all(fd, content, length);
	if (errno)
		refuse(errno);
	close(fd);
}

static void get_file(struct bytes *from)
{
	uint64_t offset = take_integer(from, 8);
	char *path = take_blob(from, NULL);
	int fd = from->bad ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return refuse(from->bad ? EINVAL : errno);
	put_piece(fd, offset);
	close(fd);
}

static void serve(uint32_t length)
{
	struct bytes from = { request + 1, request + length, 0 };

	answer_bytes = HEAD_BYTES;
	put_integer('k', 1);
	switch (length ? request[0] : 0) {
	case 'S':
		start(&from);
		break;
	case 'W':
		wait_on(&from);
		break;
	case 'R':
		run(&from);
		break;
	case 'K':
		kill_group(take_integer(&from, 4));
		break;
	case 'P':
		put_file(&from);
		break;
	case 'G':
		get_file(&from);
		break;
	case 'Q':
		sync();
		reboot(RB_POWER_OFF);
		break;
	default:
		refuse(EOPNOTSUPP);
	}
}

int main(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	set_up();
	request = malloc(MESSAGE_BYTES + 1);
	answer = malloc(MESSAGE_BYTES);
	if (!request || !answer)
		die("memory");
	port = open_device(PORT, O_RDWR);
	answer_bytes = HEAD_BYTES;
	put_integer('k', 1);
	for (;;) {
		uint32_t length;

		memcpy(answer, &(uint32_t){ answer_bytes - 4 }, 4);
		memcpy(answer + 4, &(uint64_t){ now_ns() }, 8);
		write_answer();
		read_all(&length, 4);
		if (length > MESSAGE_BYTES)
			die("request");
		read_all(request, length);
		serve(length);
	}
}
