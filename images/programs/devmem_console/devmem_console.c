// SPDX-License-Identifier: GPL-2.0-only
/*
 * devmem_console PATH | --ask PATH | --probe IFNAME
 *
 * Device memory TCP step by step. With PATH it listens on a Unix socket and takes steps from there; --ask sends the
 * lines of standard input there and prints the answers, one JSON object per step. What fails is answered as
 * {"error":"EINVAL","extack":"..."} and ends nothing. The script chooses the names. --probe prints what kernel and
 * interface are able to do: {"udmabuf":true,"bind_rx":true,"bind_tx":true}.
 *
 *   udmabuf BUF BYTES [scattered]       a dmabuf of ordinary memory
 *   fill BUF BYTE                       fills it with a byte and forgets what fragments named
 *   random BUF SEED OFFSET BYTES        fills a part of it; answers the part's SHA-256
 *   digest BUF:OFFSET:BYTES...          SHA-256 of these parts
 *   outside BUF BYTE                    how many bytes no fragment has named, how many of these are not BYTE
 *   bind-rx BIND IFNAME BUF QUEUE...    BUF may be "memfd:BUF" or a number; a BIND that exists is used again
 *   bind-tx BIND IFNAME BUF
 *   unbind BIND                         closes the netlink socket of BIND with all it has bound
 *   listen S ADDRESS PORT | accept S LISTENER MS | connect S ADDRESS PORT | udp S ADDRESS PORT
 *   packet S IFNAME [OFFSET]            a packet socket: everything, or what has a byte at OFFSET a filter can load
 *   shutdown S | close S
 *   recv S BYTES CONTROL MS FLAG...     one recvmsg(): devmem, peek, trunc; lists fragments and keeps their tokens
 *   expect S SEED|none                  the one flow of that seed will be received, from its begin
 *   drain S BYTES MS keep|return        receives BYTES or to the end (0), 64 fragments a call; says what differs
 *   splice S BYTES | mapped S BYTES     splice() to a pipe; TCP_ZEROCOPY_RECEIVE
 *   return S                            all tokens kept
 *   dontneed S [START:COUNT]... [+N]    these tokens, and N bytes of the option's length more
 *   send S BYTES SEED                   seeded data out of ordinary memory
 *   zerocopy S                          SO_ZEROCOPY
 *   send-dmabuf S ID FLAGS OFFSET:BYTES...  one sendmsg(); FLAGS: zerocopy, plain
 *   completions S COUNT MS              until COUNT zero-copy sends are done
 *   exit
 */
#define _GNU_SOURCE
#include "devmem_console/devmem_objects.h"
#include "lib/serve.h"

static void take_step(FILE *out, int count, char **words)
{
	const struct step *const tables[] = { memory_steps, socket_steps };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		for (const struct step *step = tables[i]; step->name; step++) {
			if (strcmp(words[0], step->name))
				continue;
			if (count < step->words)
				fail("step %s needs %d words", words[0], step->words);
			step->take(out, count, words);
			return;
		}
	}
	fail("there is no step %s", words[0]);
}

static bool take_line(FILE *out, char *line)
{
	char *words[WORDS_MAX], *rest = line, *word;
	bool go_on;
	int count = 0;

	while ((word = strsep(&rest, " \n"))) {
		if (!*word)
			continue;
		if (count == WORDS_MAX)
			fail("a step of more than %d words", WORDS_MAX);
		words[count++] = word;
	}
	if (!count)
		return true;
	go_on = strcmp(words[0], "exit");
	if (go_on)
		take_step(out, count, words);
	else
		fputs("{}", out);
	fputc('\n', out);
	return go_on;
}

/* A bind that names no dmabuf fails with EBADF where it would be possible, before anything is done. */
static bool binds(struct devmem_binding *binding, const char *ifname, unsigned int queues)
{
	const uint32_t queue = 0;
	uint32_t id;

	return devmem_bind(binding, ifname, -1, &queue, queues, &id) == EBADF;
}

int main(int argc, char **argv)
{
	struct devmem_binding binding = { 0 };

	if (argc == 2 && *argv[1] == '/')
		return serve(argv[1], take_line);
	if (argc == 3 && !strcmp(argv[1], "--ask"))
		return serve_ask(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "--probe")) {
		netlink_open(&binding.netlink, NETDEV_FAMILY_NAME);
		printf("{\"udmabuf\":%s,\"bind_rx\":%s,\"bind_tx\":%s}\n", devmem_has_udmabuf() ? "true" : "false",
		       binds(&binding, argv[2], 1) ? "true" : "false",
		       binds(&binding, argv[2], 0) ? "true" : "false");
		return 0;
	}
	fprintf(stderr, "usage: devmem_console PATH | --ask PATH | --probe IFNAME\n");
	return USAGE_STATUS;
}
