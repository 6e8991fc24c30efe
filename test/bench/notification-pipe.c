/*
 * Preloaded into the exporter: what it takes for a kernel notification pipe is a FIFO, so that it reads real pipes with its real
 * Linux code on a kernel without CONFIG_WATCH_QUEUE, and another process can post at full speed. The size is the writer's to set,
 * the filter lets everything pass.
 *
 *   XE_BENCH_FIFO  path of the FIFO
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOTIFICATION_PIPE O_EXCL /* O_NOTIFICATION_PIPE of include/uapi/linux/watch_queue.h, Linux 7.2 */
#define WATCH_QUEUE_SET_SIZE _IO('W', 0x60)
#define WATCH_QUEUE_SET_FILTER _IO('W', 0x61)

int pipe2(int ends[2], int flags)
{
	const char *path = getenv("XE_BENCH_FIFO");

	if (!(flags & NOTIFICATION_PIPE))
		return (int)syscall(SYS_pipe2, ends, flags);
	if (!path) {
		errno = ENOENT;
		return -1;
	}
	flags &= ~NOTIFICATION_PIPE;
	ends[0] = open(path, O_RDONLY | O_NONBLOCK | flags);
	if (ends[0] < 0)
		return -1;
	ends[1] = open(path, O_WRONLY | flags);
	return ends[1] < 0 ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	if (request == WATCH_QUEUE_SET_SIZE || request == WATCH_QUEUE_SET_FILTER)
		return 0;
	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
