// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/serve.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/fail.h"

#define ASK_TRIES 1000 /* of 10 ms: the server may only just have been started */

struct place {
	struct sockaddr_un address;
	socklen_t length;
};

static bool is_path(const char *name)
{
	return *name == '/';
}

static struct place place_of(const char *name)
{
	struct place place = { .address = { .sun_family = AF_UNIX } };
	const bool abstract = !is_path(name);

	if (strlen(name) + abstract >= sizeof(place.address.sun_path))
		fail("'%s' is too long for a socket", name);
	strcpy(place.address.sun_path + abstract, name);
	place.length = offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1;
	return place;
}

int serve(const char *name, serve_step step)
{
	const struct place place = place_of(name);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool go_on = true;

	signal(SIGPIPE, SIG_IGN);
	if (is_path(name))
		unlink(name);
	if (listener < 0 || bind(listener, (const struct sockaddr *)&place.address, place.length) || listen(listener, 8))
		fail_errno("listen on %s", name);
	while (go_on) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		FILE *in = fd < 0 ? NULL : fdopen(fd, "r"), *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
		char *line = NULL;
		size_t room = 0;

		if (!in || !out)
			fail_errno("accept on %s", name);
		while (go_on && getline(&line, &room, in) > 0) {
			go_on = step(out, line);
			fflush(out);
		}
		free(line);
		fclose(in);
		fclose(out);
	}
	if (is_path(name))
		unlink(name);
	return 0;
}

static void copy(int from, int to)
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

int serve_ask(const char *name)
{
	const struct place place = place_of(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), tries = ASK_TRIES;

	if (fd < 0)
		fail_errno("socket");
	while (connect(fd, (const struct sockaddr *)&place.address, place.length)) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || !--tries)
			fail_errno("connect to %s", name);
		usleep(10 * 1000);
	}
	copy(STDIN_FILENO, fd);
	if (shutdown(fd, SHUT_WR))
		fail_errno("shutdown");
	copy(fd, STDOUT_FILENO);
	return 0;
}
