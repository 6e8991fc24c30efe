/*
 * The least that a program can do with a notification pipe: wait, read, walk the records by their length, count by watch id and
 * errno. What the exporter is measured against. Reads until the writer is gone and prints what it saw as JSON.
 *
 *   reader <fifo> [most times to note]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "record.h"

#define READ_BYTES 65536
#define IDS 256
#define ERRNOS 256

static uint64_t counts[IDS][ERRNOS];

/* Returns how many records there were. */
static size_t count_records(const unsigned char *bytes, size_t size)
{
	size_t records = 0;

	for (size_t offset = 0; size - offset >= 8;) {
		const struct vm_err *record = (const struct vm_err *)(bytes + offset);
		size_t length = record->info & LENGTH_MASK;

		if (length < 8 || length > size - offset)
			break;
		switch (record->key & 0xffffff) {
		case TYPE_XE:
			if (record->key >> 24 == SUBTYPE_VM_ERR && length >= sizeof(*record))
				counts[record->info >> ID_SHIFT & 0xff][-record->error_code & (ERRNOS - 1)]++;
			break;
		}
		offset += length;
		records++;
	}
	return records;
}

int main(int count, char **args)
{
	static unsigned char buffer[READ_BYTES] __attribute__((aligned(8)));
	size_t most_times = count > 2 ? (size_t)atol(args[2]) : 0;
	uint64_t *times = calloc(most_times + 1, sizeof(*times));
	size_t noted = 0;
	uint64_t last = 0;
	uint64_t total = 0;
	struct epoll_event event = { .events = EPOLLIN };
	int fd = count > 1 ? open(args[1], O_RDONLY) : -1;
	int poller = epoll_create1(0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!times || fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) {
		perror("reader");
		return 1;
	}
	for (ssize_t length = 1; length != 0;) {
		epoll_wait(poller, &event, 1, -1);
		while ((length = read(fd, buffer, sizeof(buffer))) > 0) {
			size_t records = count_records(buffer, (size_t)length);

			last = now_ns(CLOCK_MONOTONIC);
			for (; records > 0 && noted < most_times; records--)
				times[noted++] = last;
		}
	}
	for (int id = 0; id < IDS; id++)
		for (int error = 0; error < ERRNOS; error++)
			total += counts[id][error];
	printf("{\"records\":%" PRIu64 ",\"endNs\":\"%" PRIu64 "\",\"cpuNs\":%" PRIu64 ",\"countedNs\":[", total, last,
	       now_ns(CLOCK_PROCESS_CPUTIME_ID));
	for (size_t i = 0; i < noted; i++)
		printf("%s\"%" PRIu64 "\"", i > 0 ? "," : "", times[i]);
	printf("]}\n");
	return 0;
}
