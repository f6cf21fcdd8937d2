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
 *   send socket= bytes=, read socket= bytes=, shutdown socket=, waiting socket=   FIONREAD
 *   receive socket= ring= ifq= [bytes= flags= id= address= message_flags= fd=]   submits RECV_ZC
 *   collect ring= [bytes= ends= events= timeout= hold= hold_below=]   until all came, or timeout ms passed
 *   cancel socket= ring=                      ends the receive on that socket
 *   return ifq= [count= keep= publish= at= add= area= pad= threads= unlocked= same=]   held buffers, newest first
 *   refill ifq= [buffer= | offset=] [token= bytes= pad= times= publish= force=]   any entry
 *   publish ifq= [ahead=], poke_head ifq= value=
 *   expect socket= seed=                      the one flow of that seed will be received there, from its begin
 *   state ifq=, verify ifq=, digest socket=   the digest says where what was received differs from it
 *   close ring= | socket= | export=, unmap ifq= what=area|region
 *   replace ifq= fill=, differ ifq= fill=     other memory takes the area's place; how much of it is not as it was
 *   flusher export= ifq= [cpu= entries=] | stop=1   a thread that writes so many entries, which return nothing, to the
 *                                             exported IFQ's refill ring and flushes it, all the time
 */
#define _GNU_SOURCE
#include "lib/fail.h"
#include "lib/serve.h"
#include "zcrx_console/objects.h"

static void take_step(struct words *words, FILE *out)
{
	const struct step *const tables[] = {
		ring_steps, area_steps, flow_steps, receive_steps, refill_steps, flusher_steps,
	};

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

static bool take_line(FILE *out, char *line)
{
	struct words words = words_of(line);

	take_step(&words, out);
	all_used(&words);
	return true;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return serve(argv[1], take_line);
	if (argc == 3 && !strcmp(argv[1], "--ask"))
		return serve_ask(argv[2]);
	fprintf(stderr, "usage: zcrx_console NAME | zcrx_console --ask NAME\n");
	return USAGE_STATUS;
}
