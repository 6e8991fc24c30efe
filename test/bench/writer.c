/*
 * Posts VM_ERR records into FIFOs, as fast as they are taken or one at a time. Prints what it did as JSON.
 *
 *   writer flood <fifo> <records a write> <milliseconds> <pipe bytes> <window>
 *     A window above 0 is how many records may be under way; more are allowed by u64 counts on standard input.
 *   writer single <records> <milliseconds between> <fifo>...
 *     One record into one FIFO after the other; prints when each was posted.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "record.h"

#define CLIENTS 200
#define MOST_RECORDS_A_WRITE 4096
#define MOST_FIFOS 3

/* -ENOMEM as often as in the field; -ENOSPC, -ETIME and -EBUSY so that every series moves. */
static const int32_t ERRORS[] = { -12, -12, -12, -12, -28, -12, -62, -12, -16, -12 };

static struct vm_err record(uint32_t number)
{
	return (struct vm_err){
		.key = TYPE_XE | (uint32_t)SUBTYPE_VM_ERR << 24,
		.info = sizeof(struct vm_err) | (number % CLIENTS) << ID_SHIFT,
		.vm_id = number,
		.error_code = ERRORS[number % (sizeof(ERRORS) / sizeof(*ERRORS))],
	};
}

static int open_fifo(const char *path)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void put(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t length = write(fd, (const char *)bytes + done, size - done);

		if (length < 0) {
			perror("write");
			exit(1);
		}
		done += (size_t)length;
	}
}

/* Waits until `wanted` records may go out. */
static void take_credit(int64_t *credit, int64_t wanted)
{
	while (*credit < wanted) {
		int64_t more;

		if (read(STDIN_FILENO, &more, sizeof(more)) != sizeof(more))
			exit(1);
		*credit += more;
	}
}

static int flood(char **args)
{
	static struct vm_err records[MOST_RECORDS_A_WRITE];
	int fd = open_fifo(args[0]);
	uint32_t a_write = (uint32_t)atoi(args[1]);
	uint64_t duration = (uint64_t)atoi(args[2]) * 1000000;
	int64_t window = atoi(args[4]);
	int64_t credit = window;
	uint64_t written = 0;
	uint64_t begin;
	uint32_t offset = 0;

	if (a_write < 1 || a_write > MOST_RECORDS_A_WRITE || fcntl(fd, F_SETPIPE_SZ, atoi(args[3])) < 0) {
		perror("arguments");
		return 1;
	}
	for (uint32_t i = 0; i < MOST_RECORDS_A_WRITE; i++)
		records[i] = record(i);
	begin = now_ns(CLOCK_MONOTONIC);
	while (now_ns(CLOCK_MONOTONIC) - begin < duration) {
		/* The clock is asked every so often only, so that single records are as cheap to post as they can be. */
		for (uint32_t i = 0; i < MOST_RECORDS_A_WRITE / a_write && i < 64; i++) {
			if (window > 0) {
				take_credit(&credit, a_write);
				credit -= a_write;
			}
			put(fd, records + offset, a_write * sizeof(*records));
			offset = (offset + a_write) % (MOST_RECORDS_A_WRITE / a_write * a_write);
			written += a_write;
		}
	}
	printf("{\"records\":%" PRIu64 ",\"beginNs\":\"%" PRIu64 "\"}\n", written, begin);
	return 0;
}

static int single(int count, char **args)
{
	int records = atoi(args[0]);
	struct timespec pause = { .tv_nsec = atol(args[1]) * 1000000 };
	int fifos[MOST_FIFOS];

	if (count - 2 > MOST_FIFOS)
		return 1;
	for (int i = 0; i < count - 2; i++)
		fifos[i] = open_fifo(args[2 + i]);
	printf("{\"postedNs\":[");
	for (int number = 0; number < records; number++) {
		struct vm_err one = record((uint32_t)number);
		uint64_t posted;

		for (int i = 0; i < count - 2; i++) {
			nanosleep(&pause, NULL);
			posted = now_ns(CLOCK_MONOTONIC);
			put(fifos[i], &one, sizeof(one));
			printf("%s\"%" PRIu64 "\"", number + i > 0 ? "," : "", posted);
		}
	}
	printf("]}\n");
	return 0;
}

int main(int count, char **args)
{
	/* Whoever measures may be ended by its deadline. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (count == 7 && strcmp(args[1], "flood") == 0)
		return flood(args + 2);
	if (count >= 5 && strcmp(args[1], "single") == 0)
		return single(count - 2, args + 2);
	fprintf(stderr, "writer: wrong arguments\n");
	return 2;
}
