// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that flushes the refill ring all the time, beside whatever else the console does. It writes entries of its
 * own first, so that flush and driver find some whenever they look.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

static struct {
	pthread_t thread;
	bool running, stop;
	int export;
	unsigned int entries, cpu;
	struct ifq *ifq;
	unsigned long calls;
} flusher;

static void stay_on(unsigned int cpu)
{
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	if (pthread_setaffinity_np(pthread_self(), sizeof(only), &only))
		fail("flusher: there is no CPU %u", cpu);
}

/*
 * A ring takes calls of the thread only that made it: this one has a ring of its own and imports the IFQ. It takes no
 * time that others want. Buffer 0 is
 * handed out last of all: as long as nobody has it, an entry that names it returns nothing.
 */
static void *flush_thread(void *unused)
{
	struct io_uring_zcrx_ifq_reg reg = { .if_idx = flusher.export, .flags = ZCRX_REG_IMPORT };
	struct ifq *ifq = flusher.ifq;
	struct ring ring = { 0 };

	if (ring_open(&ring, 8, 8, DEFAULT_RING_FLAGS) || ring_register(&ring, IORING_REGISTER_ZCRX_IFQ, &reg, 1))
		fail("flusher: no import");
	stay_on(flusher.cpu);
	if (nice(19) == -1)
		fail("flusher: no lower priority");
	while (!__atomic_load_n(&flusher.stop, __ATOMIC_ACQUIRE)) {
		struct zcrx_ctrl control = { .zcrx_id = reg.zcrx_id, .op = ZCRX_CTRL_FLUSH_RQ };

		ifq_return(ifq, ifq_entry(ifq, 0, ifq->rx_buf_len), flusher.entries);
		if (ifq_control(&ring, &control, 0))
			fail("flusher: ZCRX_CTRL_FLUSH_RQ failed");
		flusher.calls++;
	}
	ring_close(&ring);
	return unused;
}

static void step_flusher(struct words *words, FILE *out)
{
	bool stop = number_word(words, "stop", 0);

	if (stop != flusher.running)
		fail("step flusher: it is %srunning", flusher.running ? "" : "not ");
	flusher.stop = stop;
	if (stop) {
		pthread_join(flusher.thread, NULL);
	} else {
		flusher.export = exports[place_word(words, "export", PLACES)];
		flusher.ifq = ifq_of(words);
		flusher.entries = number_word(words, "entries", 0);
		flusher.cpu = number_word(words, "cpu", 0);
		flusher.calls = 0;
		if (pthread_create(&flusher.thread, NULL, flush_thread, NULL))
			fail("no thread");
	}
	flusher.running = !stop;
	fprintf(out, "{\"calls\":%lu}\n", stop ? flusher.calls : 0);
}

const struct step flusher_steps[] = {
	{ "flusher", step_flusher },
	{ 0 },
};
