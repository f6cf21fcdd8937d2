/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included ahead of virtio_pcidev.c (make CFLAGS_virtio_pcidev.o="-include ...") in UML kernels.
 * That file is UML's own way to PCI devices and no part of what we test.
 *
 * virtio_pcidev_send_cmd() of 7.2 takes no lock and leaves interrupts on. Of its buffers one, the
 * last, belongs to nobody: it is what an access gets when all others hold posted writes. Two CPUs, or
 * an access and an interrupt that rings a doorbell, write their messages into it at once, and what the
 * card reads is neither's. And whoever waits for an answer takes what it finds in the command ring: an
 * interrupt that waits within a read frees the buffer of that read, which then waits in vain
 * (docs/kernels.md).
 *
 * Here one lock is held and interrupts are off from the choice of the buffer to the kick, for a read
 * or with the last buffer to the end. It is taken and released at calls that the file makes at exactly
 * these places; set_bit() and clear_bit() are those of VIRTIO_PCIDEV_STAT_WAITING, test_and_set_bit()
 * that of a free buffer. Without SMP the lock is nothing and interrupts are what counts.
 */

/* All that virtio_pcidev.c includes, before the calls get other names. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/logic_iomem.h>
#include <linux/of_platform.h>
#include <linux/irqdomain.h>
#include <linux/interrupt.h>
#include <linux/virtio_pcidev.h>
#include <linux/virtio-uml.h>
#include <linux/delay.h>
#include <linux/msi.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/unaligned.h>

static DEFINE_RAW_SPINLOCK(pcidev_lock);
static unsigned long pcidev_flags;
static int pcidev_cpu = -1;
static bool pcidev_waits;	/* for the answer to its message */
static bool pcidev_done;	/* nothing is left but to free the buffer */

static inline bool pcidev_is_mine(void)
{
	return irqs_disabled() && READ_ONCE(pcidev_cpu) == raw_smp_processor_id();
}

static inline void pcidev_release(void)
{
	unsigned long flags = pcidev_flags;

	pcidev_waits = false;
	pcidev_done = false;
	WRITE_ONCE(pcidev_cpu, -1);
	raw_spin_unlock_irqrestore(&pcidev_lock, flags);
}

static inline bool pcidev_test_and_set_bit(long nr, volatile unsigned long *used)
{
	unsigned long flags;

	if (!pcidev_is_mine()) {
		raw_spin_lock_irqsave(&pcidev_lock, flags);
		pcidev_flags = flags;
		WRITE_ONCE(pcidev_cpu, raw_smp_processor_id());
	}
	return test_and_set_bit(nr, used);
}

static inline int pcidev_add_sgs(struct virtqueue *vq, struct scatterlist *sgs[],
				 unsigned int out, unsigned int in, void *data, gfp_t gfp)
{
	int ret = virtqueue_add_sgs(vq, sgs, out, in, data, gfp);

	if (ret)
		pcidev_done = true;
	return ret;
}

static inline void pcidev_set_bit(long nr, volatile unsigned long *status)
{
	set_bit(nr, status);
	pcidev_waits = true;
}

static inline void pcidev_clear_bit(long nr, volatile unsigned long *status)
{
	clear_bit(nr, status);
	pcidev_done = true;
}

static inline bool pcidev_kick(struct virtqueue *vq)
{
	bool ok = virtqueue_kick(vq);

	/* the ring of interrupts is kicked by whoever holds no lock */
	if (pcidev_is_mine() && !pcidev_waits)
		pcidev_release();
	return ok;
}

static inline void pcidev_kfree(const void *buf)
{
	kfree(buf);
	if (pcidev_is_mine() && pcidev_done)
		pcidev_release();
}

static inline void *pcidev_get_buf(struct virtqueue *vq, unsigned int *len)
{
	unsigned long flags;
	void *buf;

	if (pcidev_is_mine())
		return virtqueue_get_buf(vq, len);
	raw_spin_lock_irqsave(&pcidev_lock, flags);
	buf = virtqueue_get_buf(vq, len);
	raw_spin_unlock_irqrestore(&pcidev_lock, flags);
	return buf;
}

#define virtqueue_add_sgs pcidev_add_sgs
#define virtqueue_kick pcidev_kick
#define virtqueue_get_buf pcidev_get_buf
#define kfree pcidev_kfree
#undef set_bit
#undef clear_bit
#undef test_and_set_bit
#define set_bit pcidev_set_bit
#define clear_bit pcidev_clear_bit
#define test_and_set_bit pcidev_test_and_set_bit
