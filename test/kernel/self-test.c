/*
 * Proves, without the exporter, that the test kernel behaves as the xe event series and the watch_queue core do.
 * The exporter's own tests rest on this.
 *
 *   self-test [--nr 0x0f|0x10|0x11|0]     which watch ioctl the kernel was booted with (xestub.watch_nr)
 *   self-test --no-watch-queue            a kernel built without CONFIG_WATCH_QUEUE
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <grp.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "watch.h"

#define CONTROL "/sys/kernel/debug/xestub/control"
#define RENDER0 "/dev/dri/renderD128"
#define RENDER1 "/dev/dri/renderD129"
#define PCI0 "0000:03:00.0"
#define PCI1 "0000:04:00.0"
#define DEADLINE_MS 5000

static unsigned watch_nr = 0x0f;
static bool have_watch_queue = true;
static const char *section = "";
static int passed, failed;

/* --- checking ---------------------------------------------------------------------------------------------- */

static void check(bool ok, const char *what, const char *found)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("not ok - %s: %s (found %s)\n", section, what, found);
}

/* The errno of a system call that returned -1, else 0. */
static int outcome(long result)
{
	return result == -1 ? errno : 0;
}

static void check_errno(int found, int wanted, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "%s, wanted %s", strerrorname_np(found), strerrorname_np(wanted));
	check(found == wanted, what, text);
}

static void check_number(long long found, long long wanted, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "%lld, wanted %lld", found, wanted);
	check(found == wanted, what, text);
}

static void check_has(const char *text, const char *part, const char *what)
{
	check(strstr(text, part) != NULL, what, text);
}

static int must(int fd, const char *what)
{
	if (fd >= 0)
		return fd;
	printf("not ok - %s: %s: %s\n", section, what, strerror(errno));
	exit(1);
}

/* --- helpers ----------------------------------------------------------------------------------------------- */

static int open_render(const char *path)
{
	return must(open(path, O_RDWR | O_CLOEXEC), path);
}

static void make_pipe(int fds[2], unsigned slots)
{
	must(watch_pipe(fds, slots), "notification pipe");
}

static void close_pipe(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static int write_text(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);
	int error = outcome(write(fd, text, strlen(text)));

	close(fd);
	return error;
}

/* One command to the stub, in printf's manner. */
__attribute__((format(printf, 1, 2))) static int control(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return write_text(CONTROL, text);
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

/* Reads one record; its length, or 0 if there is none. */
static unsigned next_record(int fd, struct watch_record *r)
{
	unsigned char bytes[128];

	/* A read takes as many whole records as fit: ask for the shortest that can hold the next one. */
	for (size_t size = 8; size <= sizeof(bytes); size += 8) {
		ssize_t n = read(fd, bytes, size);

		if (n > 0) {
			memcpy(r, bytes, sizeof(*r));
			return n;
		}
		if (errno != ENOBUFS)
			return 0;
	}
	return 0;
}

static void check_record(int fd, unsigned type, unsigned subtype, unsigned id, unsigned length, const char *what)
{
	struct watch_record r = { 0 };
	unsigned n = next_record(fd, &r);
	char text[128];

	snprintf(text, sizeof(text), "%u bytes: type %u subtype %u id %u length %u", n, r.type, r.subtype, record_id(&r),
		 record_length(&r));
	check(n == length && record_length(&r) == length && r.type == type && r.subtype == subtype &&
		      record_id(&r) == id, what, text);
}

static void check_empty(int fd, const char *what)
{
	unsigned char byte[128];

	check_errno(outcome(read(fd, byte, sizeof(byte))), EAGAIN, what);
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* --- the watch_queue core ---------------------------------------------------------------------------------- */

static void test_pipe(void)
{
	int fds[2], plain[2];
	char bytes[128];

	section = "pipe";
	if (!have_watch_queue) {
		check_errno(outcome(watch_pipe(fds, 0)), ENOPKG, "pipe2 without CONFIG_WATCH_QUEUE");
		must(pipe(plain), "pipe");
		check_errno(outcome(ioctl(plain[0], WATCH_SET_SIZE, 32ul)), ENOTTY, "size without CONFIG_WATCH_QUEUE");
		close_pipe(plain);
		return;
	}

	make_pipe(fds, 0);
	check_errno(outcome(ioctl(fds[0], WATCH_SET_SIZE, 0ul)), EINVAL, "size 0");
	check_errno(outcome(ioctl(fds[0], WATCH_SET_SIZE, 513ul)), EINVAL, "size 513");
	check_errno(outcome(ioctl(fds[1], WATCH_SET_SIZE, 33ul)), 0, "size 33, on the write end");
	check_errno(outcome(ioctl(fds[0], WATCH_SET_SIZE, 33ul)), EBUSY, "size a second time");
	check_number(fcntl(fds[0], F_GETPIPE_SZ), 2 * 4096, "33 slots are two pages");
	check_errno(outcome(write(fds[1], "x", 1)), EXDEV, "write");
	check_empty(fds[0], "read of an empty pipe");
	close_pipe(fds);

	must(pipe2(plain, O_NONBLOCK), "pipe2");
	check_errno(outcome(ioctl(plain[0], WATCH_SET_SIZE, 32ul)), ENODEV, "size of an ordinary pipe");
	check_errno(outcome(read(plain[0], bytes, 1)), EAGAIN, "an ordinary pipe stays one");
	close_pipe(plain);
}

static void test_filter(void)
{
	int drm = open_render(RENDER0), fds[2];
	unsigned long long client = drm_client_id(drm);

	section = "filter";
	make_pipe(fds, 32);
	check_errno(outcome(xe_watch(drm, watch_nr, fds[0], 3)), 0, "attach");
	check_errno(outcome(watch_filter(fds[0], WATCH_TYPE_XE, 1 << 0)), 0, "subtype 0 only");
	control("vm_error client=%llu subtype=7\nvm_error client=%llu", client, client);
	check_record(fds[0], WATCH_TYPE_XE, 0, 3, 16, "subtype 0 passes");
	check_empty(fds[0], "subtype 7 does not");

	check_errno(outcome(watch_filter(fds[0], 9, ~0u)), 0, "a type the kernel does not know is accepted");
	control("vm_error client=%llu", client);
	check_empty(fds[0], "and blocks everything");

	check_errno(outcome(ioctl(fds[0], WATCH_SET_FILTER, NULL)), 0, "no filter");
	control("vm_error client=%llu subtype=7 len=24", client);
	check_record(fds[0], WATCH_TYPE_XE, 7, 3, 24, "everything passes again");

	watch_filter(fds[0], 9, ~0u);
	close(drm);
	check_record(fds[0], WATCH_TYPE_META, META_REMOVAL, 3, 8, "REMOVAL is not filtered");
	close_pipe(fds);
}

static void test_loss(void)
{
	int drm = open_render(RENDER0), fds[2];
	unsigned long long client = drm_client_id(drm);
	unsigned char bytes[4096];

	section = "loss";
	make_pipe(fds, 64);
	xe_watch(drm, watch_nr, fds[0], 9);
	control("vm_error client=%llu count=100", client);
	check_errno(outcome(read(fds[0], bytes, 4)), ENOBUFS, "a buffer too small for the first record");
	check_number(read(fds[0], bytes, sizeof(bytes)), 64 * 16, "one read takes the 64 records that fitted");
	check(!is_readable(fds[0], 0), "poll does not tell of the LOSS that is owed", "readable");
	check_errno(outcome(read(fds[0], bytes, 4)), ENOBUFS, "LOSS does not fit either");
	check_record(fds[0], WATCH_TYPE_META, META_LOSS, 0, 8, "LOSS, with id 0, by reading on");
	check_empty(fds[0], "and nothing more");

	control("vm_error client=%llu count=65", client);
	check_number(read(fds[0], bytes, sizeof(bytes)), 64 * 16, "64 of 65");
	control("vm_error client=%llu", client);
	check_record(fds[0], WATCH_TYPE_META, META_LOSS, 0, 8, "LOSS comes before newer records");
	check_record(fds[0], WATCH_TYPE_XE, 0, 9, 16, "then the newer record");

	control("vm_error client=%llu count=64", client);
	close(drm);
	check_number(read(fds[0], bytes, sizeof(bytes)), 64 * 16, "a full ring");
	check_record(fds[0], WATCH_TYPE_META, META_LOSS, 0, 8, "REMOVAL was lost like any other");
	check_empty(fds[0], "no REMOVAL");
	close_pipe(fds);
}

static void test_unsized(void)
{
	int drm = open_render(RENDER0), fds[2];

	section = "unsized pipe";
	make_pipe(fds, 0);
	check_errno(outcome(xe_watch(drm, watch_nr, fds[0], 1)), 0, "attach works");
	control("vm_error client=%llu", drm_client_id(drm));
	check_empty(fds[0], "and every event is dropped without a word");
	close(drm);
	close_pipe(fds);
}

static void test_hangup(void)
{
	int drm = open_render(RENDER0), fds[2];
	struct pollfd p;
	char bytes[128];

	section = "write end closed";
	make_pipe(fds, 32);
	xe_watch(drm, watch_nr, fds[0], 1);
	close(fds[1]);
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	poll(&p, 1, 0);
	check(p.revents & POLLHUP, "poll says hangup", "none");
	check_number(read(fds[0], bytes, sizeof(bytes)), 0, "an empty read is end of file");
	control("vm_error client=%llu", drm_client_id(drm));
	check_record(fds[0], WATCH_TYPE_XE, 0, 1, 16, "events still arrive");
	close(drm);
	close(fds[0]);
}

/* --- the xe ioctl and record ------------------------------------------------------------------------------- */

/* What {pipe, id, 0, 0} gets on a file of our own at each number. */
static int wanted_answer(unsigned nr)
{
	if (nr == watch_nr)
		return 0;
	if (nr == 0x10 && watch_nr == 0x11)
		return ENOENT; /* VM_RESTART finds no VM. */
	return EINVAL; /* VM_GET_PROPERTY with extensions, or no such ioctl. */
}

static void test_numbers(void)
{
	char what[64];
	int fds[2] = { -1, -1 };

	section = "ioctl number";
	for (unsigned nr = 0x0f; nr <= 0x12; nr++) {
		int drm = open_render(RENDER0);

		if (have_watch_queue)
			make_pipe(fds, 32);
		else
			must(pipe(fds), "pipe");
		snprintf(what, sizeof(what), "0x%02x", nr);
		check_errno(outcome(xe_watch(drm, nr, fds[0], 0xa5)), wanted_answer(nr), what);
		close(drm);
		close_pipe(fds);
	}

	int drm = open_render(RENDER0);

	if (watch_nr != 0x0f)
		check_errno(outcome(xe_watch(drm, 0x0f, 0, 0)), ENOENT, "VM_GET_PROPERTY without extensions");
	check_errno(outcome(ioctl(drm, _IOW('x', 0x4f, struct xe_watch_args), 0)), ENOTTY, "another ioctl type");
	check_number(xe_watch_request(0x0f), 0x4010644f, "the request of the first revision");
	close(drm);
}

static int attach_raw(int drm, struct xe_watch_args args)
{
	return outcome(ioctl(drm, xe_watch_request(watch_nr), &args));
}

static void test_attach(void)
{
	int drm = open_render(RENDER0), copy = must(dup(drm), "dup"), again = open_render(RENDER0);
	int a[2], b[2], plain[2];

	section = "attach";
	make_pipe(a, 32);
	make_pipe(b, 32);
	must(pipe(plain), "pipe");
	check_errno(attach_raw(drm, (struct xe_watch_args){ a[0], 256, 0, 0 }), EINVAL, "watch id 256");
	check_errno(attach_raw(drm, (struct xe_watch_args){ a[0], 1, 1, 0 }), EINVAL, "flags");
	check_errno(attach_raw(drm, (struct xe_watch_args){ a[0], 1, 0, 1 }), EINVAL, "pad");
	check_errno(attach_raw(drm, (struct xe_watch_args){ plain[0], 1, 0, 0 }), EINVAL, "an ordinary pipe");
	check_errno(attach_raw(drm, (struct xe_watch_args){ 999, 1, 0, 0 }), EINVAL, "a closed fd");
	check_errno(attach_raw(drm, (struct xe_watch_args){ a[1], 255, 0, 0 }), 0, "the write end, id 255");
	check_errno(attach_raw(drm, (struct xe_watch_args){ a[0], 255, 0, 0 }), EBUSY, "the same again");
	check_errno(attach_raw(drm, (struct xe_watch_args){ a[0], 2, 0, 0 }), EBUSY, "another id does not help");
	check_errno(attach_raw(copy, (struct xe_watch_args){ a[0], 3, 0, 0 }), EBUSY, "a duplicate is the same client");
	check_errno(attach_raw(drm, (struct xe_watch_args){ b[0], 4, 0, 0 }), 0, "another pipe");
	check_errno(attach_raw(again, (struct xe_watch_args){ a[0], 5, 0, 0 }), 0, "another file");

	control("vm_error client=%llu\nvm_error client=%llu", drm_client_id(drm), drm_client_id(again));
	check_record(a[0], WATCH_TYPE_XE, 0, 255, 16, "both pipes get the event: first");
	check_record(b[0], WATCH_TYPE_XE, 0, 4, 16, "both pipes get the event: second");
	check_record(a[0], WATCH_TYPE_XE, 0, 5, 16, "one pipe tells two files apart");
	check_empty(b[0], "the second pipe does not watch the other file");

	close(drm);
	check_empty(b[0], "no REMOVAL while a duplicate is open");
	close(copy);
	check(is_readable(b[0], DEADLINE_MS), "REMOVAL makes the pipe readable", "nothing");
	check_record(b[0], WATCH_TYPE_META, META_REMOVAL, 4, 8, "REMOVAL");
	close(again);
	close_pipe(a);
	close_pipe(b);
	close_pipe(plain);
}

static void test_bytes(void)
{
	static const unsigned char wanted[] = {
		0x02, 0x00, 0x00, 0x00, 0x10, 0x2a, 0x00, 0x00, /* type 2, subtype 0, length 16, id 42 */
		0x07, 0x00, 0x00, 0x00, 0xe4, 0xff, 0xff, 0xff, /* vm 7, -28 */
	};
	static const unsigned char removal[] = { 0, 0, 0, 0, 0x08, 0x2a, 0, 0 };
	int drm = open_render(RENDER0), fds[2];
	unsigned char bytes[128];

	section = "bytes";
	make_pipe(fds, 32);
	xe_watch(drm, watch_nr, fds[0], 42);
	control("vm_error client=%llu vm=7 errno=-28", drm_client_id(drm));
	check_number(read(fds[0], bytes, sizeof(bytes)), sizeof(wanted), "length of VM_ERR");
	check(!memcmp(bytes, wanted, sizeof(wanted)), "VM_ERR", "other bytes");
	close(drm);
	check_number(read(fds[0], bytes, sizeof(bytes)), sizeof(removal), "length of REMOVAL");
	check(!memcmp(bytes, removal, sizeof(removal)), "REMOVAL", "other bytes");
	close_pipe(fds);
}

/* As another user, so that the watches of this program's other tests do not count. */
static void attach_as_user(int result)
{
	const struct rlimit limit = { 20, 20 };
	int fds[2], drm[25], count = 0, error = 0;

	if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		_exit(1);
	make_pipe(fds, 32);
	for (int i = 0; i < 25; i++)
		drm[i] = open_render(RENDER0);
	setrlimit(RLIMIT_NOFILE, &limit);
	while (count < 25 && !(error = outcome(xe_watch(drm[count], watch_nr, fds[0], count))))
		count++;
	dprintf(result, "%d %d", count, error);
	_exit(0);
}

static void test_limit(void)
{
	int result[2], count = 0, error = 0;
	char text[32] = "";

	section = "RLIMIT_NOFILE";
	must(pipe(result), "pipe");
	if (fork() == 0)
		attach_as_user(result[1]);
	close(result[1]);
	check(read(result[0], text, sizeof(text) - 1) > 0, "the child answers", "nothing");
	wait(NULL);
	sscanf(text, "%d %d", &count, &error);
	check_number(count, 20, "watches of a user with a limit of 20");
	check_errno(error, EAGAIN, "the next one");
	close(result[0]);
}

/* --- other processes --------------------------------------------------------------------------------------- */

/* A process that holds one render node open at the returned fd number until it is killed. */
static pid_t start_holder(int *fd)
{
	int ready[2];
	pid_t pid;

	must(pipe2(ready, O_CLOEXEC), "pipe");
	pid = fork();
	if (pid == 0) {
		int drm = open_render(RENDER0);

		if (write(ready[1], &drm, sizeof(drm)) != sizeof(drm))
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], fd, sizeof(*fd)) != sizeof(*fd))
		must(-1, "holder");
	close(ready[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_borrow(void)
{
	int fds[2], fd, pidfd, copy, reopened;
	unsigned long long client;
	pid_t pid = start_holder(&fd);
	char path[64];
	struct stat st;

	section = "borrow";
	pidfd = must(syscall(SYS_pidfd_open, pid, 0), "pidfd_open");
	copy = must(syscall(SYS_pidfd_getfd, pidfd, fd, 0), "pidfd_getfd");
	check(!fstat(copy, &st) && S_ISCHR(st.st_mode) && st.st_rdev >> 8 == 226, "a character device of major 226", "other");
	client = drm_client_id(copy);
	check(client != 0, "the copy is the same client", "no client id");

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	reopened = must(open(path, O_RDWR | O_CLOEXEC), path);
	check(drm_client_id(reopened) != client, "opening /proc/PID/fd/N makes a new client", "the same");
	close(reopened);

	if (watch_nr) {
		make_pipe(fds, 32);
		check_errno(outcome(xe_watch(copy, watch_nr, fds[0], 77)), 0, "watch through the copy");
		close(copy);
		control("vm_error client=%llu vm=3", client);
		check_record(fds[0], WATCH_TYPE_XE, 0, 77, 16, "the watch outlives the copy");
		end_holder(pid);
		check(is_readable(fds[0], DEADLINE_MS), "the end of the process is seen", "nothing");
		check_record(fds[0], WATCH_TYPE_META, META_REMOVAL, 77, 8, "REMOVAL at the end of the process");
		close_pipe(fds);
	} else {
		close(copy);
		end_holder(pid);
	}
	close(pidfd);
}

static void test_kept_copy(void)
{
	int fds[2], fd, copy;
	pid_t pid = start_holder(&fd);
	int pidfd = must(syscall(SYS_pidfd_open, pid, 0), "pidfd_open");
	unsigned long long client;

	section = "kept copy";
	copy = must(syscall(SYS_pidfd_getfd, pidfd, fd, 0), "pidfd_getfd");
	client = drm_client_id(copy);
	make_pipe(fds, 32);
	xe_watch(copy, watch_nr, fds[0], 1);
	end_holder(pid);
	check_errno(control("vm_error client=%llu", client), 0, "a copy keeps the client alive");
	check_record(fds[0], WATCH_TYPE_XE, 0, 1, 16, "and its events coming");
	close(copy);
	check_record(fds[0], WATCH_TYPE_META, META_REMOVAL, 1, 8, "until it is closed");
	check_errno(control("vm_error client=%llu", client), ENOENT, "then the client is gone");
	close(pidfd);
	close_pipe(fds);
}

/* --- the device as user space sees it ---------------------------------------------------------------------- */

static void check_link(const char *path, const char *wanted)
{
	char target[512] = "";
	const char *base;

	if (readlink(path, target, sizeof(target) - 1) < 0)
		target[0] = '\0';
	base = strrchr(target, '/');
	check(base && !strcmp(base + 1, wanted), path, target);
}

static void check_file(const char *path, const char *wanted)
{
	char text[256];

	read_text(path, text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	check(!strcmp(text, wanted), path, text);
}

static void test_sysfs(void)
{
	section = "sysfs";
	check_link("/sys/dev/char/226:128/device", PCI0);
	check_link("/sys/dev/char/226:1/device", PCI1);
	check_link("/sys/bus/pci/devices/" PCI0 "/driver", "xe");
	check_link("/sys/class/drm/card1/device/subsystem", "pci");
	check_file("/sys/bus/pci/drivers/xe/" PCI0 "/vendor", "0x8086");
	check_file("/sys/bus/pci/drivers/xe/" PCI0 "/device", "0xe20b");
	check_file("/sys/bus/pci/drivers/xe/" PCI1 "/device", "0x56c0");
	check_file("/sys/bus/pci/drivers/xe/" PCI0 "/class", "0x038000");
	check_file("/sys/bus/pci/devices/" PCI0 "/drm/renderD128/dev", "226:128");
	check_file("/sys/bus/pci/devices/" PCI1 "/drm/card1/dev", "226:1");
}

static void test_fdinfo(void)
{
	int drm = open_render(RENDER1), other = open_render(RENDER1);
	char path[64], text[4096];

	section = "fdinfo";
	check_number(drm_client_id(other), drm_client_id(drm) + 1, "client ids count up");
	check_errno(control("memory client=%llu vram=3145728", drm_client_id(drm)), 0, "memory");
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", drm);
	read_text(path, text, sizeof(text));
	check_has(text, "drm-driver:\txe\n", "driver");
	check_has(text, "drm-pdev:\t" PCI1 "\n", "PCI address");
	check_has(text, "drm-total-vram0:\t3 MiB\n", "vram total");
	check_has(text, "drm-resident-vram0:\t3 MiB\n", "vram resident");
	check_has(text, "drm-total-gtt:\t0\n", "gtt");
	check_has(text, "drm-purgeable-system:\t0\n", "purgeable");
	close(drm);
	close(other);
}

struct mem_region {
	uint16_t class, instance;
	uint32_t min_page_size;
	uint64_t total_size, used, cpu_visible_size, cpu_visible_used, reserved[6];
};

static void test_query(void)
{
	struct { uint64_t extensions; uint32_t query, size; uint64_t data, reserved[2]; } query = { .query = 1 };
	struct { uint32_t count, pad; struct mem_region region[2]; } regions = { 0 };
	unsigned long request = _IOWR('d', 0x40, query);
	int drm = open_render(RENDER0);

	section = "memory query";
	control("memory device=" PCI0 " vram=1073741824\nmemory client=%llu vram=4096", drm_client_id(drm));
	check_errno(outcome(ioctl(drm, request, &query)), 0, "asking for the size");
	check_number(query.size, sizeof(regions), "size");
	query.data = (uintptr_t)&regions;
	check_errno(outcome(ioctl(drm, request, &query)), 0, "asking for the regions");
	check_number(regions.count, 2, "regions");
	check_number(regions.region[1].class, 1, "the second is VRAM");
	check_number(regions.region[1].used, 1073741824 + 4096, "VRAM used");
	control("memory device=" PCI0 " vram=0");
	close(drm);
}

static long wakes(void)
{
	char text[4096];
	long count = -1;

	read_text("/sys/kernel/debug/xestub/state", text, sizeof(text));
	sscanf(text, "device id=%*s wedged=%*d wakes=%ld", &count);
	return count;
}

static void check_status(const char *wanted, const char *what)
{
	char text[32];

	for (int waited = 0; waited < DEADLINE_MS; waited += 20) {
		read_text("/sys/bus/pci/devices/" PCI0 "/power/runtime_status", text, sizeof(text));
		if (!strncmp(text, wanted, strlen(wanted)))
			break;
		pause_ms(20);
	}
	check(!strncmp(text, wanted, strlen(wanted)), what, text);
}

static void test_runtime_pm(void)
{
	int drm = open_render(RENDER0);
	long before;

	section = "runtime PM";
	check_status("suspended", "an idle device falls asleep");
	before = wakes();
	drm_client_id(drm);
	check_number(wakes(), before + 1, "reading fdinfo wakes it");
	check_status("active", "it is awake");
	close(drm);
	check_status("suspended", "and falls asleep again");
}

/* --- uevents and the kernel log ---------------------------------------------------------------------------- */

static int open_uevents(void)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = must(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), "netlink");

	must(bind(fd, (const struct sockaddr *)&address, sizeof(address)), "bind");
	return fd;
}

/* Waits for an event with all these pairs; what else comes is skipped. */
static void check_uevent(int fd, const char *what, const char *pairs[])
{
	char message[4096];

	while (is_readable(fd, DEADLINE_MS)) {
		ssize_t n = recv(fd, message, sizeof(message) - 1, 0);
		bool all = true;

		message[n] = '\0';
		for (const char **pair = pairs; *pair; pair++) {
			bool found = false;

			for (ssize_t at = 0; at < n; at += strlen(message + at) + 1)
				found |= !strcmp(message + at, *pair);
			all &= found;
		}
		if (all) {
			check(true, what, "");
			return;
		}
	}
	check(false, what, "no such uevent");
}

static void test_wedge(void)
{
	int uevents = open_uevents(), drm = open_render(RENDER1), other = open_render(RENDER0);
	uint64_t version[8] = { 0 };

	section = "wedge";
	check_errno(control("wedge device=" PCI1), 0, "wedge");
	check_uevent(uevents, "uevent", (const char *[]){ "ACTION=change", "SUBSYSTEM=drm", "DEVNAME=dri/card1",
			"DEVTYPE=drm_minor", "WEDGED=rebind,bus-reset", NULL });
	control("wedge device=" PCI1 " method=vendor-specific");
	check_uevent(uevents, "it can repeat", (const char *[]){ "WEDGED=vendor-specific", NULL });
	check_errno(outcome(ioctl(drm, _IOWR('d', 0, version), version)), ECANCELED, "any ioctl afterwards");
	check_errno(outcome(xe_watch(drm, 0x0f, 0, 0)), ECANCELED, "a driver ioctl");
	check_errno(outcome(ioctl(other, _IOWR('d', 0, version), version)), 0, "the other device works");
	close(drm);
	close(other);
	close(uevents);
}

static void test_rebind(void)
{
	int uevents = open_uevents(), drm = open_render(RENDER1), fds[2];
	uint64_t version[8] = { 0 };
	unsigned long long client;

	section = "rebind";
	/* Binding again clears the wedging of the test before. */
	close(drm);
	write_text("/sys/bus/pci/drivers/xe/unbind", PCI1);
	write_text("/sys/bus/pci/drivers/xe/bind", PCI1);
	drm = open_render(RENDER1);
	check_errno(outcome(ioctl(drm, _IOWR('d', 0, version), version)), 0, "a new bind clears the wedging");
	client = drm_client_id(drm);
	if (watch_nr) {
		make_pipe(fds, 32);
		check_errno(outcome(xe_watch(drm, watch_nr, fds[0], 8)), 0, "attach");
	}

	check_errno(write_text("/sys/bus/pci/drivers/xe/unbind", PCI1), 0, "unbind with an open file");
	check_uevent(uevents, "drm remove", (const char *[]){ "ACTION=remove", "SUBSYSTEM=drm", "DEVNAME=dri/renderD129", NULL });
	check_uevent(uevents, "pci unbind", (const char *[]){ "ACTION=unbind", "SUBSYSTEM=pci", "PCI_SLOT_NAME=" PCI1, NULL });
	check_errno(outcome(ioctl(drm, _IOWR('d', 0, version), version)), ENODEV, "ioctl after unbind");
	check_errno(control("vm_error client=%llu", client), ENOENT, "the client cannot be found any more");
	if (watch_nr) {
		check_empty(fds[0], "unbind posts no REMOVAL");
		close(drm);
		check_record(fds[0], WATCH_TYPE_META, META_REMOVAL, 8, 8, "the close does");
		close_pipe(fds);
	} else {
		close(drm);
	}

	check_errno(write_text("/sys/bus/pci/drivers/xe/bind", PCI1), 0, "bind");
	check_uevent(uevents, "pci bind", (const char *[]){ "ACTION=bind", "DRIVER=xe", "PCI_SLOT_NAME=" PCI1, NULL });
	close(open_render(RENDER1));
	close(uevents);
}

static void test_coredump(void)
{
	int uevents = open_uevents();
	char text[256];

	section = "devcoredump";
	check_errno(control("coredump device=" PCI0 " text=**** Xe Device Coredump ****\\nReason: test\\n"), 0, "coredump");
	check_uevent(uevents, "uevent", (const char *[]){ "ACTION=add", "SUBSYSTEM=devcoredump", NULL });
	read_text("/sys/bus/pci/devices/" PCI0 "/devcoredump/data", text, sizeof(text));
	check_has(text, "Reason: test\n", "its text");
	check_errno(write_text("/sys/bus/pci/devices/" PCI0 "/devcoredump/data", "1"), 0, "a write");
	check_uevent(uevents, "deletes it", (const char *[]){ "ACTION=remove", "SUBSYSTEM=devcoredump", NULL });
	close(uevents);
}

/* The next record of the log that has the text, or "". */
static void next_log(int kmsg, const char *part, char *text, size_t size)
{
	ssize_t n;

	while ((n = read(kmsg, text, size - 1)) > 0) {
		text[n] = '\0';
		if (strstr(text, part))
			return;
	}
	text[0] = '\0';
}

static void test_log(void)
{
	int kmsg = must(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), "/dev/kmsg");
	int drm = open_render(RENDER0);
	char text[1024];

	section = "kernel log";
	lseek(kmsg, 0, SEEK_END);
	control("vm_error client=%llu errno=-62", drm_client_id(drm));
	next_log(kmsg, "VM worker error", text, sizeof(text));
	if (watch_nr)
		check(!text[0], "the series makes the line a debug message", text);
	else
		check_has(text, ";xe " PCI0 ": [drm] VM worker error: -62\n", "a stock driver warns");

	lseek(kmsg, 0, SEEK_END);
	control("vm_error client=%llu log=1", drm_client_id(drm));
	next_log(kmsg, "VM worker error", text, sizeof(text));
	check_has(text, "\n DEVICE=+pci:" PCI0 "\n", "the record names the device");
	check(!strncmp(text, "4,", 2), "facility 0, level 4", text);

	lseek(kmsg, 0, SEEK_END);
	control("log device=" PCI1 " level=5 text=[drm] Tile0: GT0: Timedout job: seqno=1\\nsecond line");
	next_log(kmsg, "Timedout job", text, sizeof(text));
	check_has(text, ";xe " PCI1 ": [drm] Tile0: GT0: Timedout job: seqno=1\\x0asecond line\n", "any line");
	close(drm);
	close(kmsg);
}

static void test_control(void)
{
	section = "control file";
	check_errno(control("nonsense"), EINVAL, "unknown verb");
	check_errno(control("vm_error client=1 colour=red"), EINVAL, "unknown key");
	check_errno(control("vm_error client=one"), EINVAL, "not a number");
	check_errno(control("vm_error client"), EINVAL, "no value");
	check_errno(control("vm_error client=1 len=7"), EINVAL, "a record shorter than its header");
	check_errno(control("vm_error client=1 len=128"), EINVAL, "a length that does not fit");
	check_errno(control("vm_error client=999999"), ENOENT, "no such client");
	check_errno(control("wedge device=0000:09:00.0"), ENOENT, "no such device");
	check_errno(control("\n  \n"), 0, "empty lines");
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--nr"))
		watch_nr = strtoul(argv[2], NULL, 0);
	else if (argc == 2 && !strcmp(argv[1], "--no-watch-queue"))
		watch_nr = 0, have_watch_queue = false;
	else if (argc != 1)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);

	test_pipe();
	test_numbers();
	if (watch_nr) {
		test_attach();
		test_bytes();
		test_filter();
		test_loss();
		test_unsized();
		test_hangup();
		test_limit();
		test_kept_copy();
	}
	test_borrow();
	test_sysfs();
	test_fdinfo();
	test_query();
	test_control();
	test_log();
	test_coredump();
	test_runtime_pm();
	test_wedge();
	test_rebind();

	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
