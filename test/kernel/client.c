/*
 * A "GPU application" for the test kernel: opens render nodes and does what it is told on standard input.
 *
 *   client [--uid N] [--comm NAME] [--nr N] [--slots N] [--undumpable] [PATH ...]
 *
 * Opens each PATH, prints {"ready":true,"pid":...,"files":[{"k":0,"client":5}]}, then answers every line of
 * standard input with exactly one line of JSON: {"ok":true,...} or {"ok":false,"errno":22,"error":"EINVAL"}.
 *
 *   open PATH               opens one more file: {"k":1,"client":6}
 *   close K | dup K         a duplicate has a number of its own and the same client
 *   version K               a harmless DRM ioctl, which makes this process the owner of the client again
 *   vm K [FLAGS]            makes a VM of file K, by default in long-running mode: {"vm":1}
 *   unvm K VM               destroys it
 *   bind K VM               maps a page in it
 *   queue K VM              makes an exec queue in it: {"queue":1}
 *   unqueue K QUEUE         destroys it
 *   vms K N [PER_SECOND]    makes and destroys N VMs in a row: {"seconds":...,"cpu":...}
 *   write PATH TEXT         writes TEXT to a file, as this process
 *   fork                    a child that holds the same files and sleeps: {"pid":...}
 *   kill PID                ends such a child and waits for it
 *   reborn PID PATH         a child that has just this number, which must be free, and opens PATH: {"pid":...}
 *   churn PATH N MIN MAX    opens PATH N times in a row, for MIN to MAX milliseconds each
 *   receive SOCKET          waits there for one file: {"k":2,"client":7}
 *   pass K SOCKET           sends file K there, and keeps it
 *   watch K ID [SUBTYPES]   listens to file K on a pipe of its own, with a kernel filter if a mask is given
 *   read                    drains that pipe: {"records":[{"type":2,"subtype":0,"id":1,"length":16,"vm":1,"error":-12}]}
 *   times N                 waits for N errors on that pipe: {"times":["123456789",...]}, CLOCK_MONOTONIC in ns after each read
 *   exit [CODE]             also at end of input
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "watch.h"

#define MAX_FILES 1024

static int files[MAX_FILES];
static int file_count;
static int pipe_fds[2] = { -1, -1 };
static unsigned watch_nr = 0x0f;
static unsigned pipe_slots = 64;

static void fail(const char *what)
{
	int saved = errno;

	printf("{\"ok\":false,\"errno\":%d,\"error\":\"%s\",\"what\":\"%s\"}\n", saved, strerrorname_np(saved), what);
}

static int file_at(const char *arg)
{
	int k = arg ? atoi(arg) : -1;

	if (k >= 0 && k < file_count && files[k] >= 0)
		return k;
	errno = EBADF;
	return -1;
}

/* Takes over fd and gives its number, or -1 with errno set. */
static int keep(int fd)
{
	if (fd < 0)
		return -1;
	if (file_count == MAX_FILES) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	files[file_count] = fd;
	return file_count++;
}

static void answer_file(int k, const char *what)
{
	if (k < 0)
		fail(what);
	else
		printf("{\"ok\":true,\"k\":%d,\"client\":%llu}\n", k, drm_client_id(files[k]));
}

static void do_open(char *path)
{
	answer_file(keep(open(path ? path : "", O_RDWR | O_CLOEXEC)), "open");
}

static void do_dup(char *arg)
{
	int k = file_at(arg);

	answer_file(k < 0 ? -1 : keep(fcntl(files[k], F_DUPFD_CLOEXEC, 3)), "dup");
}

static void do_close(char *arg)
{
	int k = file_at(arg);

	if (k < 0) {
		fail("close");
		return;
	}
	close(files[k]);
	files[k] = -1;
	puts("{\"ok\":true}");
}

static void do_version(char *arg)
{
	/* struct drm_version with empty buffers: the kernel only reports lengths. */
	uint64_t version[8] = { 0 };
	int k = file_at(arg);

	if (k < 0 || ioctl(files[k], _IOWR('d', 0x00, version), version))
		fail("version");
	else
		puts("{\"ok\":true}");
}

/* The ioctls of xe_drm.h, as the words their structures are made of. */
struct words {
	uint64_t word[16];
};

#define XE_VM_CREATE _IOC(_IOC_READ | _IOC_WRITE, 'd', 0x43, 32)
#define XE_VM_DESTROY _IOC(_IOC_WRITE, 'd', 0x44, 24)
#define XE_VM_BIND _IOC(_IOC_WRITE, 'd', 0x45, sizeof(struct words))
#define XE_EXEC_QUEUE_CREATE _IOC(_IOC_READ | _IOC_WRITE, 'd', 0x46, 56)
#define XE_EXEC_QUEUE_DESTROY _IOC(_IOC_WRITE, 'd', 0x47, 24)
#define XE_VM_CREATE_LR_MODE 2

/* The id of a new VM, 0 with errno set. */
static uint32_t vm_create(int fd, uint32_t flags)
{
	struct words args = { .word = { 0, flags } };

	return ioctl(fd, XE_VM_CREATE, &args) ? 0 : args.word[1] >> 32;
}

static int vm_destroy(int fd, uint32_t vm)
{
	struct words args = { .word = { vm } };

	return ioctl(fd, XE_VM_DESTROY, &args);
}

static void answer_id(const char *name, uint32_t id)
{
	if (id)
		printf("{\"ok\":true,\"%s\":%u}\n", name, id);
	else
		fail(name);
}

static void answer_result(const char *what, int result)
{
	if (result)
		fail(what);
	else
		puts("{\"ok\":true}");
}

static void do_vm(char *args)
{
	char *k_arg = strtok(args, " "), *flags = strtok(NULL, " ");
	int k = file_at(k_arg);

	answer_id("vm", k < 0 ? 0 : vm_create(files[k], flags ? strtoul(flags, NULL, 0) : XE_VM_CREATE_LR_MODE));
}

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Says how long it took, and how much of that this process was running. */
static void do_vms(char *args)
{
	char *k_arg = strtok(args, " "), *n_arg = strtok(NULL, " "), *rate_arg = strtok(NULL, " ");
	int k = file_at(k_arg), n = n_arg ? atoi(n_arg) : 0, rate = rate_arg ? atoi(rate_arg) : 0;
	double begin = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);

	for (int i = 0; i < n; i++) {
		uint32_t vm = k < 0 ? 0 : vm_create(files[k], XE_VM_CREATE_LR_MODE);
		double early = rate ? begin + (i + 1.0) / rate - seconds_of(CLOCK_MONOTONIC) : 0;

		if (!vm || vm_destroy(files[k], vm)) {
			fail("vms");
			return;
		}
		if (early > 0)
			usleep(early * 1e6);
	}
	printf("{\"ok\":true,\"seconds\":%.6f,\"cpu\":%.6f}\n", seconds_of(CLOCK_MONOTONIC) - begin,
	       seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

/* The commands on one object of a file: VERB K ID. */
static void do_object(const char *verb, char *args)
{
	char *k_arg = strtok(args, " "), *id_arg = strtok(NULL, " ");
	uint32_t id = id_arg ? strtoul(id_arg, NULL, 0) : 0;
	struct words bind = { .word = { [1] = id, [2] = 1ull << 32, [6] = 4096, [7] = 1 << 20 } };
	struct words queue = { .word = { [1] = 1 | 1 << 16 | (uint64_t)id << 32 } };
	struct words destroy = { .word = { id } };
	int k = file_at(k_arg);

	if (k < 0)
		fail(verb);
	else if (!strcmp(verb, "unvm"))
		answer_result(verb, vm_destroy(files[k], id));
	else if (!strcmp(verb, "bind"))
		answer_result(verb, ioctl(files[k], XE_VM_BIND, &bind));
	else if (!strcmp(verb, "queue"))
		answer_id(verb, ioctl(files[k], XE_EXEC_QUEUE_CREATE, &queue) ? 0 : queue.word[2] >> 32);
	else
		answer_result(verb, ioctl(files[k], XE_EXEC_QUEUE_DESTROY, &destroy));
}

static void do_write(char *args)
{
	char *path = strsep(&args, " ");
	int fd = open(path ? path : "", O_WRONLY | O_CLOEXEC);

	answer_result("write", fd < 0 || !args || write(fd, args, strlen(args)) != (ssize_t)strlen(args));
	if (fd >= 0)
		close(fd);
}

static void do_fork(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
	} else if (pid == 0) {
		/* Standard input stays the parent's alone. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(STDIN_FILENO);
		for (;;)
			pause();
	} else {
		printf("{\"ok\":true,\"pid\":%d}\n", pid);
	}
}

static void do_kill(char *arg)
{
	pid_t pid = arg ? atoi(arg) : -1;

	if (pid <= 0 || kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		fail("kill");
	else
		puts("{\"ok\":true}");
}

/* The child tells through a pipe that it has the file: its number alone would tell too early. */
static void do_reborn(char *args)
{
	char *number = strtok(args, " "), *path = strtok(NULL, " ");
	pid_t wanted = number ? atoi(number) : -1, pid = -1;
	int ready[2];
	char byte;

	/* Numbers are given in turn; once around is enough. */
	for (int tries = 0; tries < 40000 && pid != wanted; tries++) {
		if (!path || pipe2(ready, O_CLOEXEC) || (pid = fork()) < 0) {
			fail("reborn");
			return;
		}
		if (pid == 0) {
			if (getpid() != wanted || open(path, O_RDWR) < 0 || write(ready[1], "", 1) != 1)
				_exit(0);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(STDIN_FILENO);
			for (;;)
				pause();
		}
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1) {
			waitpid(pid, NULL, 0);
			if (pid == wanted)
				pid = -1;
		}
		close(ready[0]);
	}
	if (pid == wanted)
		printf("{\"ok\":true,\"pid\":%d}\n", pid);
	else
		errno = EAGAIN, fail("reborn");
}

static void do_churn(char *args)
{
	char *path = strtok(args, " "), *n = strtok(NULL, " "), *min = strtok(NULL, " "), *max = strtok(NULL, " ");

	if (!max || atoi(max) < atoi(min)) {
		errno = EINVAL;
		fail("churn");
		return;
	}
	for (int i = atoi(n); i > 0; i--) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			fail("open");
			return;
		}
		usleep(1000 * (atoi(min) + rand() % (atoi(max) - atoi(min) + 1)));
		close(fd);
	}
	puts("{\"ok\":true}");
}

static int unix_socket(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path || strlen(path) >= sizeof(address->sun_path)) {
		errno = EINVAL;
		return -1;
	}
	strcpy(address->sun_path, path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* One byte with one file descriptor beside it; -1 when only the room for it is wanted. */
static struct msghdr *message_with(int fd)
{
	static union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	static char byte;
	static struct iovec body = { &byte, 1 };
	static struct msghdr message;
	struct cmsghdr *header;

	message = (struct msghdr){ .msg_iov = &body, .msg_iovlen = 1, .msg_control = &control,
				   .msg_controllen = sizeof(control) };
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return &message;
}

static void do_receive(char *path)
{
	struct sockaddr_un address;
	int listener = unix_socket(path, &address), peer = -1, fd = -1;
	struct msghdr *message = message_with(-1);

	if (listener >= 0 && !bind(listener, (struct sockaddr *)&address, sizeof(address)) && !listen(listener, 1))
		peer = accept(listener, NULL, NULL);
	if (peer >= 0 && recvmsg(peer, message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(message)), sizeof(fd));
	answer_file(keep(fd), "receive");
	close(peer);
	close(listener);
}

static void do_pass(char *args)
{
	char *k_arg = strtok(args, " "), *path = strtok(NULL, " ");
	int k = file_at(k_arg), fd = -1;
	struct sockaddr_un address;

	if (k >= 0)
		fd = unix_socket(path, &address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    sendmsg(fd, message_with(files[k]), 0) != 1)
		fail("pass");
	else
		puts("{\"ok\":true}");
	close(fd);
}

static void do_watch(char *args)
{
	char *k_arg = strtok(args, " "), *id = strtok(NULL, " "), *subtypes = strtok(NULL, " ");
	int k = file_at(k_arg);

	if (k < 0 || !id) {
		fail("watch");
		return;
	}
	if (pipe_fds[0] < 0 && watch_pipe(pipe_fds, pipe_slots)) {
		fail("pipe2");
		return;
	}
	if (subtypes && watch_filter(pipe_fds[0], WATCH_TYPE_XE, strtoul(subtypes, NULL, 0))) {
		fail("filter");
		return;
	}
	if (xe_watch(files[k], watch_nr, pipe_fds[0], strtoul(id, NULL, 0)))
		fail("watch");
	else
		puts("{\"ok\":true}");
}

static void print_record(const unsigned char *bytes, const char *separator)
{
	struct watch_record r;
	int32_t body[2] = { 0 };

	memcpy(&r, bytes, sizeof(r));
	printf("%s{\"type\":%u,\"subtype\":%u,\"id\":%u,\"length\":%u", separator, r.type, r.subtype, record_id(&r),
	       record_length(&r));
	if (r.type == WATCH_TYPE_XE && record_length(&r) >= sizeof(r) + sizeof(body)) {
		memcpy(body, bytes + sizeof(r), sizeof(body));
		printf(",\"vm\":%u,\"error\":%d", (uint32_t)body[0], body[1]);
	}
	putchar('}');
}

static void do_read(void)
{
	unsigned char buffer[4096];
	const char *separator = "";
	ssize_t n;

	printf("{\"ok\":true,\"records\":[");
	/* Until EAGAIN: poll would not tell of a LOSS record that is still owed. */
	while ((n = read(pipe_fds[0], buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n; separator = ",") {
			struct watch_record r;

			memcpy(&r, buffer + at, sizeof(r));
			print_record(buffer + at, separator);
			at += record_length(&r);
		}
	}
	puts("]}");
}

/* The least that a job can do to hear of its errors. */
static void do_times(char *arg)
{
	long wanted = arg ? atol(arg) : 0, seen = 0;
	uint64_t *times = calloc(wanted, sizeof(*times));
	struct pollfd poller = { .fd = pipe_fds[0], .events = POLLIN };
	unsigned char buffer[4096];

	if (!times || pipe_fds[0] < 0) {
		fail("times");
		return;
	}
	while (seen < wanted && (poll(&poller, 1, -1) == 1 || errno == EINTR)) {
		ssize_t n = read(pipe_fds[0], buffer, sizeof(buffer));
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		for (ssize_t at = 0; at < n && seen < wanted;) {
			struct watch_record r;

			memcpy(&r, buffer + at, sizeof(r));
			if (r.type == WATCH_TYPE_XE)
				times[seen++] = now.tv_sec * 1000000000ull + now.tv_nsec;
			at += record_length(&r);
		}
	}
	printf("{\"ok\":true,\"times\":[");
	for (long i = 0; i < seen; i++)
		printf("%s\"%" PRIu64 "\"", i > 0 ? "," : "", times[i]);
	puts("]}");
	free(times);
}

static void obey(char *line)
{
	char *verb, *args = line;

	line[strcspn(line, "\n")] = '\0';
	verb = strsep(&args, " ");
	if (!strcmp(verb, "open"))
		do_open(args);
	else if (!strcmp(verb, "close"))
		do_close(args);
	else if (!strcmp(verb, "dup"))
		do_dup(args);
	else if (!strcmp(verb, "version"))
		do_version(args);
	else if (!strcmp(verb, "vm"))
		do_vm(args);
	else if (!strcmp(verb, "vms"))
		do_vms(args);
	else if (!strcmp(verb, "unvm") || !strcmp(verb, "bind") || !strcmp(verb, "queue") || !strcmp(verb, "unqueue"))
		do_object(verb, args);
	else if (!strcmp(verb, "write"))
		do_write(args);
	else if (!strcmp(verb, "fork"))
		do_fork();
	else if (!strcmp(verb, "kill"))
		do_kill(args);
	else if (!strcmp(verb, "reborn"))
		do_reborn(args);
	else if (!strcmp(verb, "churn"))
		do_churn(args);
	else if (!strcmp(verb, "receive"))
		do_receive(args);
	else if (!strcmp(verb, "pass"))
		do_pass(args);
	else if (!strcmp(verb, "watch"))
		do_watch(args);
	else if (!strcmp(verb, "read"))
		do_read();
	else if (!strcmp(verb, "times"))
		do_times(args);
	else if (!strcmp(verb, "exit"))
		_exit(args ? atoi(args) : 0);
	else
		errno = EINVAL, fail("unknown command");
}

static void become(uid_t uid, int dumpable)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) {
		fail("setuid");
		exit(1);
	}
	/* A program started under that user would be dumpable; after setuid(2) it is not. */
	if (dumpable)
		prctl(PR_SET_DUMPABLE, 1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "uid", required_argument, NULL, 'u' },   { "comm", required_argument, NULL, 'c' },
		{ "nr", required_argument, NULL, 'n' },    { "slots", required_argument, NULL, 's' },
		{ "undumpable", no_argument, NULL, 'd' }, { 0 },
	};
	char line[4096];
	int option, uid = 0, dumpable = 1;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'u': uid = atoi(optarg); break;
		case 'c': prctl(PR_SET_NAME, optarg); break;
		case 'n': watch_nr = strtoul(optarg, NULL, 0); break;
		case 's': pipe_slots = strtoul(optarg, NULL, 0); break;
		case 'd': dumpable = 0; break;
		default: return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 1 << 16);
	if (uid)
		become(uid, dumpable);
	if (!dumpable)
		prctl(PR_SET_DUMPABLE, 0);

	for (; optind < argc; optind++) {
		if (keep(open(argv[optind], O_RDWR | O_CLOEXEC)) < 0) {
			fail(argv[optind]);
			return 1;
		}
	}
	printf("{\"ready\":true,\"pid\":%d,\"files\":[", getpid());
	for (int k = 0; k < file_count; k++)
		printf("%s{\"k\":%d,\"client\":%llu}", k ? "," : "", k, drm_client_id(files[k]));
	puts("]}");

	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
