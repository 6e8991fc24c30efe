/*
 * Makes messages for the readers of the kernel log and of uevents. Prints how many were written, as JSON.
 *
 *   message-writer kmsg COUNT PER_SECOND TEXT     lines into /dev/kmsg, numbered; PER_SECOND 0: as fast as it goes
 *   message-writer uevent COUNT STRING ...        has the kernel send uevents of these strings (CAP_SYS_ADMIN); it adds SEQNUM
 *   message-writer forge COUNT STRING ...         sends the same to the kernel's multicast group itself (CAP_NET_ADMIN)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static long write_log(long count, double per_second, const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	double started = now();
	char line[512];

	if (fd < 0)
		die("/dev/kmsg");
	for (long i = 0; i < count; i++) {
		int length = snprintf(line, sizeof(line), "%s %ld", text, i);

		while (per_second > 0 && now() < started + i / per_second)
			;
		if (write(fd, line, length) != length)
			die("write");
	}
	return count;
}

/* The strings of a uevent behind the netlink header; returns the length of all. */
static int fill(char *buffer, size_t size, char **strings)
{
	int at = NLMSG_HDRLEN;

	for (; *strings; strings++)
		at += snprintf(buffer + at, size - at, "%s", *strings) + 1;
	return at;
}

static long send_uevents(int forge, long count, char **strings)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = forge ? 1 : 0 };
	char buffer[2048] = "";
	int length = fill(buffer, sizeof(buffer), strings);
	struct nlmsghdr *header = (struct nlmsghdr *)buffer;
	int skip = forge ? NLMSG_HDRLEN : 0;

	if (fd < 0)
		die("socket");
	header->nlmsg_len = length;
	header->nlmsg_type = NLMSG_MIN_TYPE;
	header->nlmsg_flags = NLM_F_REQUEST;
	for (long i = 0; i < count; i++) {
		ssize_t sent = sendto(fd, buffer + skip, length - skip, 0, (struct sockaddr *)&to, sizeof(to));

		/* A listener whose buffer is full is none of the sender's business. */
		if (sent < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
			die("sendto");
	}
	return count;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long count = argc > 2 ? atol(argv[2]) : 0;
	double started = now();

	if (!strcmp(what, "kmsg") && argc == 5)
		count = write_log(count, atof(argv[3]), argv[4]);
	else if (!strcmp(what, "uevent") && argc > 3)
		count = send_uevents(0, count, argv + 3);
	else if (!strcmp(what, "forge") && argc > 3)
		count = send_uevents(1, count, argv + 3);
	else
		return fprintf(stderr, "usage: see message-writer.c\n"), 2;
	printf("{\"count\":%ld,\"seconds\":%.6f}\n", count, now() - started);
	return 0;
}
