// SPDX-License-Identifier: GPL-2.0-only
// Linked into a UML kernel some of whose objects are compiled with -fsanitize-coverage=trace-pc:
// counts every edge in a file that the host reads while the kernel runs. Unlike KCOV it sees
// softirqs. The file UML_COVERAGE gets one byte per byte of kernel text, from __binary_start on: how
// often that address was returned to from here, 255 for 255 times or more.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern char __binary_start[], _etext[]; // arch/um/kernel/dyn.lds.S
static unsigned char *hits;

void __sanitizer_cov_trace_pc(void)
{
	size_t place = (size_t)__builtin_return_address(0) - (size_t)__binary_start;

	if (hits && place < (size_t)(_etext - __binary_start) && hits[place] != 255)
		hits[place]++;
}

__attribute__((constructor)) static void open_map(void)
{
	const char *path = getenv("UML_COVERAGE");
	size_t length = _etext - __binary_start;
	void *map;
	int fd;

	if (!path || !*path)
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		_exit(126);
	if (ftruncate(fd, length))
		_exit(126);
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		_exit(126);
	close(fd);
	hits = map;
}
