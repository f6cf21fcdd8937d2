// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "devmem_console/serve.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/fail.h"

#define ASK_TRIES 500 /* of 20 ms: the server may only just have been started */

static struct sockaddr_un serve_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		fail("the path %s is too long for a socket", path);
	strcpy(address.sun_path, path);
	return address;
}

static bool serve_line(FILE *out, char *line, serve_step step)
{
	char *words[WORDS_MAX], *rest = line, *word;
	int count = 0;
	bool go_on;

	while ((word = strsep(&rest, " \n"))) {
		if (!*word)
			continue;
		if (count == WORDS_MAX)
			fail("a step of more than %d words", WORDS_MAX);
		words[count++] = word;
	}
	if (!count)
		return true;
	go_on = step(out, count, words);
	fputc('\n', out);
	fflush(out);
	return go_on;
}

int serve(const char *path, serve_step step)
{
	struct sockaddr_un address = serve_address(path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool go_on = true;

	signal(SIGPIPE, SIG_IGN);
	unlink(path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4))
		fail_errno("listen on %s", path);
	while (go_on) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		char *line = NULL;
		size_t room = 0;
		FILE *in, *out;

		if (fd < 0)
			fail_errno("accept on %s", path);
		in = fdopen(fd, "r");
		out = fdopen(dup(fd), "w");
		if (!in || !out)
			fail_errno("streams of a connection");
		while (go_on && getline(&line, &room, in) > 0)
			go_on = serve_line(out, line, step);
		free(line);
		fclose(in);
		fclose(out);
	}
	unlink(path);
	return 0;
}

static void serve_copy(int from, int to)
{
	char buffer[65536];
	ssize_t count;

	while ((count = read(from, buffer, sizeof(buffer))) > 0) {
		for (ssize_t done = 0, now; done < count; done += now) {
			now = write(to, buffer + done, count - done);
			if (now < 0)
				fail_errno("write");
		}
	}
	if (count < 0)
		fail_errno("read");
}

int serve_ask(const char *path)
{
	struct sockaddr_un address = serve_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), tries = ASK_TRIES;

	if (fd < 0)
		fail_errno("socket");
	while (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || !--tries)
			fail_errno("connect to %s", path);
		usleep(20 * 1000);
	}
	serve_copy(STDIN_FILENO, fd);
	if (shutdown(fd, SHUT_WR))
		fail_errno("shutdown");
	serve_copy(fd, STDOUT_FILENO);
	return 0;
}
