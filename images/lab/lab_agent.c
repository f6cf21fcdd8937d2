// SPDX-License-Identifier: GPL-2.0-only
// Runs commands on a lab machine, many over one connection: lab_agent FOLDER.
//
// Both directions are frames: type, command number and length of the data in hexadecimal as
// "%c %08x %08x\n", then the data. To us: I, the standard input of the command that comes next;
// R, run: a directory, NAME=VALUE..., "--" and the command, each with a zero byte after it;
// K, kill its process group. From us: S, its process id; O and E, what it wrote; X, how it ended
// (negative: a signal); F, why it could not be started.
//
// A command leads a session of its own and carries TESTBED_LAB=FOLDER in its environment, by
// which lab_guard finds whatever it leaves behind. Programs in FOLDER/bin come first in its PATH.
// A connection that breaks takes all commands with it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HEADER_BYTES 20
#define MAX_COMMANDS 128
#define MAX_FRAME_BYTES (1u << 30)
#define FDS (2 + 3 * MAX_COMMANDS)

struct command {
	unsigned int number;
	pid_t pid; // 0: the place is free
	int out, err, ended;
	int polled; // where these three are among those waited for
};

static struct command commands[MAX_COMMANDS];
static const char *folder;

// The group, or a process that has not come to make one yet.
static void kill_command(const struct command *command)
{
	kill(-command->pid, SIGKILL);
	kill(command->pid, SIGKILL);
}

static void give_up(const char *what)
{
	int error = errno;

	for (int i = 0; i < MAX_COMMANDS; i++)
		if (commands[i].pid > 0)
			kill_command(commands + i);
	fprintf(stderr, "lab_agent: %s: %s\n", what, strerror(error));
	exit(125);
}

static void write_all(int fd, struct iovec *parts, int count)
{
	while (count > 0) {
		ssize_t done = writev(fd, parts, count);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			give_up("write");
		for (; count > 0 && (size_t)done >= parts->iov_len; parts++, count--)
			done -= parts->iov_len;
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + done;
			parts->iov_len -= done;
		}
	}
}

static void say(char type, unsigned int number, char *data, size_t length)
{
	char header[HEADER_BYTES + 1];
	struct iovec parts[] = {{header, HEADER_BYTES}, {data, length}};

	snprintf(header, sizeof(header), "%c %08x %08x\n", type, number, (unsigned int)length);
	write_all(STDOUT_FILENO, parts, 2);
}

static void say_number(char type, unsigned int number, int value)
{
	char text[16];

	say(type, number, text, snprintf(text, sizeof(text), "%d", value));
}

static void say_error(unsigned int number, const char *what)
{
	char text[256];

	say('F', number, text, snprintf(text, sizeof(text), "%s: %s", what, strerror(errno)));
}

// Fill the whole buffer; false at the end of input.
static int read_all(char *data, size_t length)
{
	while (length > 0) {
		ssize_t got = read(STDIN_FILENO, data, length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		data += got;
		length -= got;
	}
	return 1;
}

static void run_child(char **words, int input, int out, int err)
{
	char text[4352];
	int i = 1;

	setsid();
	dup2(input, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	snprintf(text, sizeof(text), "%s/bin:" SYSTEM_PATH, folder);
	setenv("PATH", text, 1);
	setenv("TESTBED_LAB", folder, 1);
	setenv("LANG", "C.UTF-8", 1);
	for (; strcmp(words[i], "--") != 0; i++)
		putenv(words[i]);
	signal(SIGPIPE, SIG_DFL);
	if (chdir(words[0]) < 0) {
		perror(words[0]);
		_exit(125);
	}
	execvp(words[i + 1], words + i + 1);
	int code = errno == ENOENT ? 127 : 126;
	perror(words[i + 1]);
	_exit(code);
}

static void start(unsigned int number, char **words, int input)
{
	struct command *place = commands;
	int out[2], err[2];

	while (place < commands + MAX_COMMANDS && place->pid != 0)
		place++;
	errno = EAGAIN;
	if (place == commands + MAX_COMMANDS) {
		say_error(number, "too many commands");
		return;
	}
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		give_up("pipe");
	pid_t child = fork();
	if (child == 0)
		run_child(words, input, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (child < 0) {
		say_error(number, "fork");
		close(out[0]);
		close(err[0]);
		return;
	}
	int ended = syscall(SYS_pidfd_open, child, 0);
	*place = (struct command){number, child, out[0], err[0], ended, 0};
	if (place->ended < 0)
		give_up("pidfd_open");
	say_number('S', number, child);
}

// The words of R: at least a directory, "--" and the name of a program.
static void parse_and_start(unsigned int number, char *data, size_t length, int input)
{
	size_t count = 0, dashes = 0, given = 0;

	for (size_t i = 0; i < length; i++)
		count += data[i] == '\0';
	char **words = calloc(count + 1, sizeof(*words));
	if (words == NULL)
		give_up("calloc");
	for (char *word = data; given < count; word += strlen(word) + 1)
		words[given++] = word;
	while (dashes < count && (dashes == 0 || strcmp(words[dashes], "--") != 0))
		dashes++;
	errno = EINVAL;
	if (dashes + 1 >= count)
		say_error(number, "no command");
	else
		start(number, words, input);
	free(words);
}

static int held_input(char *data, size_t length)
{
	struct iovec all = {data, length};
	int file = memfd_create("input", MFD_CLOEXEC);

	if (file < 0)
		give_up("memfd_create");
	write_all(file, &all, 1);
	lseek(file, 0, SEEK_SET);
	return file;
}

static int no_input(void)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (file < 0)
		give_up("/dev/null");
	return file;
}

// Take one frame; false at the end of input.
static int obey(void)
{
	static int input = -1; // for the next command
	char header[HEADER_BYTES + 1] = "", type;
	unsigned int number, length;

	errno = 0;
	if (!read_all(header, HEADER_BYTES))
		return 0;
	if (sscanf(header, "%c %8x %8x", &type, &number, &length) != 3 || length > MAX_FRAME_BYTES) {
		errno = EPROTO;
		give_up("header");
	}
	char *data = malloc(length + 1);
	if (data == NULL)
		give_up("malloc");
	if (!read_all(data, length))
		return 0;
	if (type == 'I')
		input = held_input(data, length);
	if (type == 'R') {
		input = input < 0 ? no_input() : input;
		parse_and_start(number, data, length, input);
		close(input);
		input = -1;
	}
	for (int i = 0; type == 'K' && i < MAX_COMMANDS; i++)
		if (commands[i].pid > 0 && commands[i].number == number)
			kill_command(commands + i);
	free(data);
	return 1;
}

// Hand on what is there; the stream is -1 after its end.
static void pump(unsigned int number, char type, int *from)
{
	static char buffer[65536];
	ssize_t got = read(*from, buffer, sizeof(buffer));

	if (got > 0) {
		say(type, number, buffer, got);
	} else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
		close(*from);
		*from = -1;
	}
}

// What is there; a process that outlives the command may hold the stream open.
static void drain(unsigned int number, char type, int *from)
{
	struct pollfd one = {.fd = *from, .events = POLLIN};

	while (*from >= 0 && poll(&one, 1, 0) > 0)
		pump(number, type, from);
	if (*from >= 0)
		close(*from);
}

static void bury(struct command *command)
{
	int status;

	drain(command->number, 'O', &command->out);
	drain(command->number, 'E', &command->err);
	close(command->ended);
	if (waitpid(command->pid, &status, 0) < 0)
		give_up("waitpid");
	command->pid = 0;
	say_number('X', command->number, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
}

static void serve(void)
{
	struct pollfd fds[FDS];
	int count = 2;

	fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = STDOUT_FILENO}; // reports only that nobody listens any more
	for (struct command *one = commands; one < commands + MAX_COMMANDS; one++) {
		if (one->pid == 0)
			continue;
		one->polled = count;
		fds[count++] = (struct pollfd){.fd = one->out, .events = POLLIN};
		fds[count++] = (struct pollfd){.fd = one->err, .events = POLLIN};
		fds[count++] = (struct pollfd){.fd = one->ended, .events = POLLIN};
	}
	if (poll(fds, count, -1) < 0) {
		if (errno == EINTR)
			return;
		give_up("poll");
	}
	errno = EPIPE;
	if (fds[1].revents)
		give_up("connection");
	for (struct command *one = commands; one < commands + MAX_COMMANDS; one++) {
		if (one->pid == 0)
			continue;
		const struct pollfd *polled = &fds[one->polled];
		if (polled[0].revents)
			pump(one->number, 'O', &one->out);
		if (polled[1].revents)
			pump(one->number, 'E', &one->err);
		if (polled[2].revents)
			bury(one);
	}
	errno = EPIPE;
	if (fds[0].revents && !obey())
		give_up("end of input");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: lab_agent FOLDER\n");
		return 2;
	}
	folder = argv[1];
	signal(SIGPIPE, SIG_IGN);
	for (;;)
		serve();
}
