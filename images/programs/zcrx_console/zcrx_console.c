// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcrx_console NAME
 * zcrx_console --ask NAME
 *
 * Zero-copy receive step by step. The first form listens on the abstract UNIX socket NAME; the second sends it the
 * steps on its standard input, one a line, and prints the answers, one JSON object a line. A step is a verb and
 * name=value words; numbers may be 0x.. or end in K, M, G. What the kernel refuses is an answer ({"errno":"EINVAL"},
 * empty for success); what the script does wrong ends the console. Objects are in tables: rings, IFQs, sockets,
 * exports, each chosen by its number (0 if left out).
 *
 *   ring ring= [flags= sq= cq=]               io_uring_setup
 *   register ifq= ring= ifname= queue= ...    IORING_REGISTER_ZCRX_IFQ; words: ifq.c
 *   export ifq= ring= export=                 ZCRX_CTRL_EXPORT
 *   import ifq= ring= of= export= [fd= flags= queue= rq_entries= area= region= events=]
 *   control ifq= ring= op= [id= count= reserved= payload=]   any ZCRX_CTRL_*; says what is left in the refill ring
 *   udp socket=, listen socket= address= port= [rcvbuf=], accept socket= of=, connect socket= address= port=
 *   send socket= bytes=, read socket= bytes=, shutdown socket=
 *   receive socket= ring= ifq= [bytes= flags= id= address= message_flags= fd=]   submits RECV_ZC
 *   collect ring= [bytes= ends= events= timeout= hold= hold_below=]   until all came, or timeout ms passed
 *   cancel socket= ring=                      ends the receive on that socket
 *   return ifq= [count= keep= publish= at= add= area= pad= threads= unlocked= same=]   held buffers, newest first
 *   refill ifq= [buffer= | offset=] [token= bytes= pad= times= publish= force=]   any entry
 *   publish ifq= [ahead=], poke_head ifq= value=
 *   state ifq=, verify ifq=, digest socket=
 *   close ring= | socket= | export=, unmap ifq= what=area|region
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

#define LINE_BYTES 4096
#define CONNECT_TRIES 500

static struct address console_address(const char *name)
{
	struct address address = { 0 };
	struct sockaddr_un *local = (struct sockaddr_un *)&address.storage;

	if (strlen(name) + 1 > sizeof(local->sun_path))
		fail("'%s' is too long for a socket", name);
	local->sun_family = AF_UNIX;
	strcpy(local->sun_path + 1, name);
	address.length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
	return address;
}

static int ask(const char *name)
{
	const struct address address = console_address(name);
	char line[LINE_BYTES];
	FILE *answers;
	int fd = -1;

	for (unsigned int tries = 0;; tries++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			fail_errno("socket");
		if (!connect(fd, (const struct sockaddr *)&address.storage, address.length))
			break;
		if (errno != ECONNREFUSED || tries == CONNECT_TRIES)
			fail_errno("no console is called '%s'", name);
		close(fd);
		usleep(10000);
	}
	answers = fdopen(fd, "r");
	while (fgets(line, sizeof(line), stdin)) {
		if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
			fail_errno("the console is gone");
		if (!fgets(line, sizeof(line), answers))
			fail("the console is gone");
		fputs(line, stdout);
		fflush(stdout);
	}
	return 0;
}

static void take_step(struct words *words, FILE *out)
{
	const struct step *const tables[] = { ring_steps, flow_steps, receive_steps, refill_steps };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		for (const struct step *step = tables[i]; step->verb; step++) {
			if (!strcmp(words->verb, step->verb)) {
				step->take(words, out);
				return;
			}
		}
	}
	fail("there is no step '%s'", words->verb);
}

static void serve(const char *name)
{
	const struct address address = console_address(name);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (const struct sockaddr *)&address.storage, address.length) ||
	    listen(listener, 8))
		fail_errno("socket '%s'", name);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		FILE *steps = fd < 0 ? NULL : fdopen(fd, "r");
		FILE *answers = fd < 0 ? NULL : fdopen(dup(fd), "w");
		char line[LINE_BYTES];

		if (!steps || !answers)
			fail_errno("accept");
		while (fgets(line, sizeof(line), steps)) {
			struct words words = words_of(line);

			take_step(&words, answers);
			all_used(&words);
			fflush(answers);
		}
		fclose(steps);
		fclose(answers);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2)
		serve(argv[1]);
	if (argc == 3 && !strcmp(argv[1], "--ask"))
		return ask(argv[2]);
	fprintf(stderr, "usage: zcrx_console NAME | zcrx_console --ask NAME\n");
	return USAGE_STATUS;
}
