// SPDX-License-Identifier: GPL-2.0-only
/*
 * net_setup STEPS [PROGRAM WORD ...]
 *
 * Sets up interfaces as `ip` and `ethtool` would, in one process: a program costs a User Mode Linux guest more than
 * what it asks of the kernel. STEPS has one step a line; PROGRAM takes this one's place when they are done, in the
 * namespace that was entered last.
 *
 *   namespace NAME            make a network namespace
 *   enter NAME                the steps that follow are in it; "." is the one it began in
 *   move IF NAME NEW          put an interface into a namespace and call it NEW there
 *   name IF NEW
 *   up IF, down IF
 *   mtu IF N
 *   address IF ADDRESS BITS   add or replace it, without duplicate address detection
 *   channels IF N             combined channels
 *   rings IF RX THRESHOLD     receive ring size; header split on, from THRESHOLD bytes
 *   spread IF FIRST N         RSS to N queues from FIRST on
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/fail.h"
#include "net_setup/steps.h"

#define WORDS_MAX 4

static int first_namespace;

static void step_enter(char **words)
{
	const int namespace = strcmp(words[0], ".") ? open_namespace(words[0]) : first_namespace;

	if (setns(namespace, CLONE_NEWNET))
		fail_errno("enter %s", words[0]);
	if (namespace != first_namespace)
		close(namespace);
	forget_link_sockets();
	forget_ethtool_sockets();
}

static const struct step {
	const char *name;
	int words;
	void (*take)(char **words);
} steps[] = {
	{ "namespace", 1, step_namespace },
	{ "enter", 1, step_enter },
	{ "move", 3, step_move },
	{ "name", 2, step_name },
	{ "up", 1, step_up },
	{ "down", 1, step_down },
	{ "mtu", 2, step_mtu },
	{ "address", 3, step_address },
	{ "channels", 2, step_channels },
	{ "rings", 3, step_rings },
	{ "spread", 3, step_spread },
};

static void take_step(char *line)
{
	char *words[WORDS_MAX + 1], *rest = line;
	int count = 0;

	while (count <= WORDS_MAX && (words[count] = strsep(&rest, " \t")))
		count += *words[count] != '\0';
	if (!count)
		return;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(words[0], steps[i].name) && count == steps[i].words + 1)
			return steps[i].take(words + 1);
	fail("there is no step %s with %d words", words[0], count - 1);
}

int main(int argc, char **argv)
{
	char *rest, *line;

	if (argc < 2) {
		fprintf(stderr, "usage: net_setup STEPS [PROGRAM WORD ...]\n");
		return USAGE_STATUS;
	}
	first_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (first_namespace < 0)
		fail_errno("/proc/self/ns/net");
	rest = argv[1];
	while ((line = strsep(&rest, "\n")))
		take_step(line);
	if (argc == 2)
		return 0;
	execvp(argv[2], argv + 2);
	fail_errno("%s", argv[2]);
}
