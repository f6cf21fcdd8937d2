// SPDX-License-Identifier: GPL-2.0-only
/* A thread that flushes the refill ring all the time, beside whatever else the console does. */
#define _GNU_SOURCE
#include <pthread.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

static struct {
	pthread_t thread;
	bool running, stop;
	int export;
	unsigned long calls;
} flusher;

/* A ring takes calls of the thread only that made it: this one has a ring of its own and imports the IFQ. */
static void *flush_thread(void *unused)
{
	struct io_uring_zcrx_ifq_reg reg = { .if_idx = flusher.export, .flags = ZCRX_REG_IMPORT };
	struct ring ring = { 0 };

	if (ring_open(&ring, 8, 8, DEFAULT_RING_FLAGS) || ring_register(&ring, IORING_REGISTER_ZCRX_IFQ, &reg, 1))
		fail("flusher: no import");
	while (!__atomic_load_n(&flusher.stop, __ATOMIC_ACQUIRE)) {
		struct zcrx_ctrl control = { .zcrx_id = reg.zcrx_id, .op = ZCRX_CTRL_FLUSH_RQ };

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
