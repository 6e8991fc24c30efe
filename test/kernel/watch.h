/*
 * The user-space side of notification pipes and of the xe watch ioctl, for the programs that run in the test
 * kernel. Written out by hand instead of taken from the system's headers: those do not know the xe series, and the
 * kernel under test is to be checked against numbers that were not taken from it.
 */
#ifndef XE_TEST_WATCH_H
#define XE_TEST_WATCH_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NOTIFICATION_PIPE O_EXCL
#define WATCH_SET_SIZE _IO('W', 0x60)
#define WATCH_SET_FILTER _IO('W', 0x61)
#define WATCH_TYPE_META 0
#define WATCH_TYPE_XE 2
#define META_REMOVAL 0
#define META_LOSS 1

struct watch_record {
	uint32_t type : 24;
	uint32_t subtype : 8;
	uint32_t info;
};

static inline unsigned record_length(const struct watch_record *r)
{
	return r->info & 0x7f;
}

static inline unsigned record_id(const struct watch_record *r)
{
	return r->info >> 8 & 0xff;
}

struct watch_filter {
	uint32_t count;
	uint32_t reserved;
	struct {
		uint32_t type;
		uint32_t info_filter;
		uint32_t info_mask;
		uint32_t subtypes[8];
	} entry[1];
};

struct xe_watch_args {
	uint32_t fd;
	uint32_t watch_id;
	uint32_t flags;
	uint32_t pad;
};

/* DRM_IOW(DRM_COMMAND_BASE + nr, 16 bytes): 0x4010644f for nr 0x0f. */
static inline unsigned long xe_watch_request(unsigned nr)
{
	return _IOC(_IOC_WRITE, 'd', 0x40 + nr, sizeof(struct xe_watch_args));
}

static inline int xe_watch(int drm, unsigned nr, int pipe_fd, unsigned id)
{
	struct xe_watch_args args = { .fd = pipe_fd, .watch_id = id };

	return ioctl(drm, xe_watch_request(nr), &args);
}

static inline int watch_pipe(int fds[2], unsigned slots)
{
	if (pipe2(fds, NOTIFICATION_PIPE | O_CLOEXEC | O_NONBLOCK))
		return -1;
	return slots ? ioctl(fds[0], WATCH_SET_SIZE, (unsigned long)slots) : 0;
}

static inline int watch_filter(int fd, unsigned type, uint32_t subtypes)
{
	struct watch_filter filter = { .count = 1, .entry = { { .type = type, .subtypes = { subtypes } } } };

	return ioctl(fd, WATCH_SET_FILTER, &filter);
}

/* The drm-client-id of one of our own files, 0 if it is none. */
static inline unsigned long long drm_client_id(int fd)
{
	unsigned long long id = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		sscanf(line, "drm-client-id: %llu", &id);
	fclose(f);
	return id;
}

#endif
