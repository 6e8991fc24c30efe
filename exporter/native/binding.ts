/**
 * The TypeScript shape of the native addon (`native/src`). The addon moves bytes, borrows file descriptors and counts
 * what it drops; it knows no event names and throws no coded errors. Wrong argument *types* are programming errors and
 * throw a TypeError; everything the kernel can refuse comes back as a {@link NativeFailure}.
 */

/** A refused system call: which operation, and the errno it ended with (positive, e.g. 65 for ENOPKG). */
export interface NativeFailure {
  /** e.g. `pipe2`, `set_size`, `set_filter`, `pidfd_open`, `identity`, `pidfd_getfd`, `fstat`, `watch`. */
  readonly operation: string;
  readonly errno: number;
}

/** `undefined` means success. */
export type NativeResult = NativeFailure | undefined;

/** What stands behind a reader: the kernel, or what is posted from here. */
export type NotificationBackend = 'linux' | 'fake';

export interface ReaderOptions {
  readonly backend: NotificationBackend;
  /** Bound of the queue between the reader thread and JavaScript, in bytes of records plus batch headers. */
  readonly queueBytes: number;
  /**
   * Called on the JavaScript thread when the queue went from empty to not empty. One call is under way at a time: the
   * next follows only after {@link NativeReader.drain} has emptied the queue, and none after {@link NativeReader.close}.
   * Must not throw: an exception ends as `uncaughtException`.
   */
  readonly onReady: () => void;
}

/**
 * Monotonic counters since the reader was opened; a consistent snapshot taken under the queue lock. Only `recordsDropped` and
 * `queuedBytesPeak` are published; the others let tests see the reader at work.
 */
export interface ReaderStats {
  readonly reads: number;
  readonly bytesRead: number;
  readonly recordsRead: number;
  /** Records that did not fit the bounded queue while JavaScript was busy. They were read and then discarded. */
  readonly recordsDropped: number;
  /** Bytes queued now / at most ever. */
  readonly queuedBytes: number;
  readonly queuedBytesPeak: number;
  readonly wakeups: number;
}

/** A watch to place on another process's drm file. */
export interface BorrowRequest {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, in clock ticks since boot: the proof that the pid is still the same process. */
  readonly startTime: bigint;
  /** The file descriptor number in that process. */
  readonly fd: number;
  /** Expected st_rdev of that file; anything else is refused with operation `device`, errno ENODEV. */
  readonly major: number;
  readonly minor: number;
  /** A pipe of this reader, from {@link NativeReader.open}. */
  readonly pipe: number;
  /** 0..255. */
  readonly watchId: number;
  /** Full ioctl request number, e.g. 0x4010644f. */
  readonly request: number;
}

/** What one candidate ioctl number did on our own fresh render-node file (positive proof only: docs/kernel.md). */
export interface ProbeResult {
  /** Set when the probe could not be carried out at all (pipe, open, not an xe node). */
  readonly failure?: NativeFailure;
  /** errno of the first attach; 0 = attached. */
  readonly attachErrno: number;
  /** errno of the second attach of the same file to the same pipe; EBUSY (16) is the proof. 0 also when the first failed. */
  readonly repeatErrno: number;
  /** True when META/REMOVAL with our tag arrived within a second of closing the file. */
  readonly removalSeen: boolean;
}

/** One open drm file of one process, found in /proc by device number. */
export interface DrmFd {
  readonly pid: number;
  readonly fd: number;
  readonly minor: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: bigint;
  /** Field 2 of /proc/<pid>/stat, at most 15 bytes. */
  readonly comm: string;
}

export interface DrmFdScan {
  readonly fds: readonly DrmFd[];
  /**
   * The processes that have no such file, three numbers each: pid, start time, number of open files (0 before Linux 6.2, which
   * does not tell). Opening one changes the last, or the next scan finds it. Handed back to {@link NativeAddon.scanDrmFds} it
   * keeps them from being looked through again.
   */
  readonly gpuFree: Float64Array;
  /** Processes seen, those skipped included. */
  readonly processes: number;
  /** Processes not looked through because nothing about them had changed. */
  readonly skipped: number;
  /** Processes whose fd directory or links we may not read (EACCES, EPERM). */
  readonly denied: number;
  /** Set when the proc root itself cannot be read. */
  readonly failure?: NativeFailure;
}

/**
 * One reader thread over any number of notification pipes. All methods run on the JavaScript thread of the environment
 * that made the reader. An open reader keeps itself and the event loop alive. Pipes stay open until {@link close}:
 * closing one while a watched drm file is being destroyed is a use-after-free window in the first revision of the
 * kernel series.
 */
export interface NativeReader {
  /**
   * Makes a pipe, sizes it (records; kernel maximum 512; rounded up to a page of 32) and hands it to the reader thread.
   * @returns the pipe's index (0, 1, ...), or why not: `pipe2` ENOPKG = kernel without CONFIG_WATCH_QUEUE.
   */
  open(records: number): number | NativeFailure;
  /**
   * Sets the kernel filter of a pipe; may be called again at any time while records flow.
   * @param filters pairs of type and subtype mask, flattened as `type0, subtypes0, type1, subtypes1, ...`, at most 16 pairs: a record
   *   passes when some entry has its type and the bit of its subtype (0..31). An empty array removes the filter.
   *   Loss and removal notices always pass. The fake applies the same rule.
   */
  setFilter(pipe: number, filters: Uint32Array): NativeResult;
  /**
   * Copies whole queued batches into `target` and forgets them. Each batch is a 32-byte little-endian header
   * {u32 pipe, u32 length, i64 realtime ns, i64 monotonic ns, u64 reserved} and `length` bytes of records, the next header
   * following at the next multiple of 8. One batch is what one read() returned, so times are the moment of that read.
   * @returns bytes written; 0 = the queue is empty and the next arrival calls onReady again. `target` must hold at least
   *   {@link NativeAddon.minDrainBytes}.
   */
  drain(target: Uint8Array): number;
  /**
   * Borrows the file (pidfd_open, identity check, pidfd_getfd, fstat), places the watch and closes the borrowed copy at
   * once, all off the JavaScript thread. With the fake backend every request to an open pipe succeeds.
   * Resolves, never rejects for what the kernel refused.
   */
  borrow(request: BorrowRequest): Promise<NativeResult>;
  /**
   * Fake backend only: posts records as the kernel would: filter applied, one ring of `records` slots, a LOSS record owed when
   * it is full. `bytes` is any number of whole records.
   * @returns records dropped by the full ring, or the refusal (e.g. ENODEV on the linux backend).
   */
  post(pipe: number, bytes: Uint8Array): number | NativeFailure;
  stats(): ReaderStats;
  /** Stops and joins the thread and closes the pipes. Queued batches can still be drained. Idempotent. */
  close(): void;
}

/** Where messages come from, and what their bytes mean to the reader. */
export type MessageOrigin =
  | {
      /** Records of the kernel log, one a message; only those with facility 0, which user space cannot give its own. */
      readonly protocol: 'kmsg';
      readonly path: string;
      /** Start at the oldest record that is still there, instead of now. */
      readonly sinceBoot: boolean;
    }
  | {
      /** Uevents; only those the kernel sent. */
      readonly protocol: 'uevent';
      /** What the socket may hold while the reader thread does not run; without CAP_NET_ADMIN at most net.core.rmem_max. */
      readonly receiveBytes: number;
    }
  | {
      /** Lines of a trace_pipe, without the newline; one too long for an event of the kernel counts as missing. */
      readonly protocol: 'trace';
      readonly path: string;
    };

export type MessageReaderOptions = MessageOrigin & {
  /** The fake gives what {@link NativeMessageReader.post} was given, judged by the same protocol. */
  readonly backend: NotificationBackend;
  /**
   * Only messages that contain one of these are queued; without any, all are. As each costs a search in every message,
   * few; none empty. May contain "\0", which stands between the keys of a uevent.
   */
  readonly keep: readonly string[];
  /** Bound of the queue between the reader thread and JavaScript, in bytes of messages plus 32 each. */
  readonly queueBytes: number;
  /**
   * Called on the JavaScript thread when there is something to {@link NativeMessageReader.drain} or new in
   * {@link NativeMessageReader.stats}: a loss or a failure. The next call follows only after a drain that returned 0, so look
   * at the stats after that one. None follows {@link NativeMessageReader.close}. Must not throw: an exception ends as
   * `uncaughtException`.
   */
  readonly onReady: () => void;
};

/** Since the reader was made; read = foreign + unwanted + kept. Figures of the reader thread and of the queue, each consistent. */
export interface MessageStats {
  readonly read: number;
  /** Not the kernel's: another facility of the log, another sender of a uevent, or not in the form of the protocol. */
  readonly foreign: number;
  /** Without any of the strings of `keep`. */
  readonly unwanted: number;
  readonly kept: number;
  /** Of those kept: did not fit the bounded queue while JavaScript was busy. */
  readonly dropped: number;
  /** How often the kernel said that messages are lost: EPIPE of the log, ENOBUFS of the socket, a line of the trace. */
  readonly lossNotices: number;
  /**
   * How many were: by their sequence numbers in the log, by the counter of the socket for uevents, by what the trace says. Exact but for a loss before
   * the first record of the log, which counts as one. Nobody knows how many of them would have been kept.
   */
  readonly missing: number;
  /** Bytes queued now / at most ever. */
  readonly queuedBytes: number;
  readonly queuedBytesPeak: number;
  readonly wakeups: number;
  /** Set when the device failed and nothing more will come: operation `read` and what it ended with. */
  readonly failure?: NativeFailure;
}

/**
 * One reader thread over one source of messages: /dev/kmsg, a netlink socket or a trace_pipe. All methods run on the
 * JavaScript thread of the environment that made it; an open one keeps itself and the event loop alive, also after a failure.
 */
export interface NativeMessageReader {
  /**
   * Opens the device and starts reading. May be repeated after a refusal, not after close.
   * @returns why not: `open` and `lseek` of /dev/kmsg (ENOENT; EPERM: device cgroup, kernel.dmesg_restrict without CAP_SYSLOG,
   *   or printk.devkmsg=off), `open` of a trace_pipe (EBUSY: its instance has a reader), `socket` and `bind`, `epoll_create1`, `eventfd`, `epoll_ctl` (EPERM: not pollable, so no such
   *   device), `pthread_create`; `open` EBADF after close.
   */
  open(): NativeResult;
  /**
   * As {@link NativeReader.drain}, with one message a batch and pipe 0. `target` must hold at least
   * {@link NativeAddon.minDrainBytes}.
   */
  drain(target: Uint8Array): number;
  stats(): MessageStats;
  /**
   * Fake backend only: posts one message, from a sender other than the kernel where one is named.
   * @returns false when it was not taken: 4096 are waiting to be read, or the reader is not open, or not a fake.
   */
  post(message: Uint8Array, sender?: number): boolean;
  /** Fake backend only: has a read end with an errno, `drops` more messages counted as dropped by the device. As post. */
  postError(errno: number, drops?: number): boolean;
  /** Stops and joins the thread and closes the device. What was queued can still be drained. Idempotent. */
  close(): void;
}

/** What came and went in a directory since the last {@link NativeDirectoryWatch.drain}, each list in the order it happened. */
export interface DirectoryChanges {
  readonly created: readonly string[];
  readonly deleted: readonly string[];
  /** One of {@link DirectoryWatchOptions.files} was opened, at least once, by whomever. */
  readonly opened: boolean;
  /** The kernel's queue was full (fs.inotify.max_queued_events) and changes are missing: list the directory. */
  readonly overflow: boolean;
  /** The directory was removed, moved or unmounted: nothing will follow. */
  readonly gone: boolean;
}

export interface DirectoryWatchOptions {
  readonly path: string;
  /** Files, by path, whose opening is told, too. One that is not there, or may not be read, is left out. */
  readonly files?: readonly string[];
  /**
   * Called on the JavaScript thread when there are changes to drain; the next call follows only after
   * {@link NativeDirectoryWatch.drain}, and none after {@link NativeDirectoryWatch.close}. Must not throw: an exception ends as
   * `uncaughtException`.
   */
  readonly onReady: () => void;
}

/**
 * Names that come and go in one directory, by inotify. Not node:fs.watch, because libuv hides IN_Q_OVERFLOW: what was missed
 * would be missed for good. Changes wait in the kernel's queue alone, so one that is not drained costs nothing here. All
 * methods run on the JavaScript thread of the environment that made it; an open one keeps itself and the event loop alive.
 */
export interface NativeDirectoryWatch {
  /**
   * Starts watching; from then on nothing is missed without notice.
   * @returns why not: `inotify_init1` EMFILE = fs.inotify.max_user_instances, `inotify_add_watch` ENOENT, ENOTDIR, EACCES, or
   *   ENOSPC = fs.inotify.max_user_watches; `open` EBADF after close.
   */
  open(): NativeResult;
  /** Takes what is queued. A long queue comes in parts, with onReady called again. Nothing while not open. */
  drain(): DirectoryChanges;
  /** Stops watching; changes that were not drained are gone. Idempotent. */
  close(): void;
}

/** A connection to a {@link NativePeerListener}, and who made it, by the kernel's word at the time of connect(). */
export interface PeerConnection {
  /** A non-blocking stream socket; whoever drained it closes it. */
  readonly fd: number;
  /** As `procRoot` shows it; 0 for a process outside the pid namespace of that procfs. */
  readonly pid: number;
  /** /proc/<pid>/cgroup of that very process: it was alive after the file had been read. Empty with a failure, or without a pid. */
  readonly cgroup: Uint8Array;
  /**
   * `peer_pidfd` ESRCH or EINVAL = the process is gone; `open`, `read` or `fdinfo` in procfs; `peer`
   * ESRCH = it ended meanwhile.
   */
  readonly failure?: NativeFailure;
}

export interface PeerListenerOptions {
  /** Where the socket is made, mode 0666; nothing may be there. */
  readonly path: string;
  /** A procfs that shows this process and its peers: of the same pid namespace, or of one further out. */
  readonly procRoot: string;
  /**
   * Called on the JavaScript thread when there is something to {@link NativePeerListener.drain}; the next call follows only after
   * that, and none after {@link NativePeerListener.close}. Must not throw: an exception ends as `uncaughtException`.
   */
  readonly onReady: () => void;
}

/**
 * A unix stream socket whose connections are identified by the kernel as they are accepted. Not node:net, which tells nobody the
 * descriptor of a connection. A thread accepts, because reading a cgroup file can wait for the kernel's cgroup lock. All methods run on
 * the JavaScript thread of the environment that made it; an open one keeps itself and the event loop alive.
 */
export interface NativePeerListener {
  /**
   * Makes the socket and starts accepting.
   * @returns why not: `peer_pidfd` ENOPROTOOPT (before Linux 6.5); `bind` ENAMETOOLONG (over 107 bytes), EADDRINUSE, ENOENT, EACCES, EROFS; `chmod`, `listen`; `open` EBADF after close.
   */
  open(): NativeResult;
  /**
   * Takes what was accepted, at most 32 connections; the rest waits in the kernel's backlog.
   * @returns with a failure (`accept4` EMFILE, ENFILE) nothing more is accepted until the next drain, which should wait a while
   */
  drain(): { readonly connections: readonly PeerConnection[]; readonly failure?: NativeFailure };
  /** Stops accepting and closes what was not drained. Connections that were drained stay. The file stays, too. Idempotent. */
  close(): void;
}

/** A file of procfs, sysfs or debugfs whose reading takes locks of a driver. Refused with `open` or `read`. */
export interface FileRead {
  readonly kind: 'file';
  readonly path: string;
}

/**
 * Proof that a read wakes no GPU: the device's power/runtime_status in sysfs, looked at right before. Unless it is awake the read
 * is refused with operation `asleep`, errno EAGAIN.
 */
interface WhileAwake {
  readonly runtimeStatus: string;
}

/**
 * The fdinfo of a drm file of another process, if it still is that process (`identity`, ESRCH) and a file of that device
 * (`device`, ENODEV).
 */
export interface FdinfoRead extends WhileAwake, Pick<BorrowRequest, 'pid' | 'startTime' | 'fd' | 'major' | 'minor'> {
  readonly kind: 'fdinfo';
  readonly procRoot: string;
}

/** struct drm_xe_query_mem_regions, raw, from an own open of a render node that is closed at once. Refused with `device_query`, too. */
export interface MemoryRegionsRead extends WhileAwake {
  readonly kind: 'mem_regions';
  readonly renderNode: string;
  /** Expected st_rdev of the node. */
  readonly major: number;
  readonly minor: number;
}

/**
 * Copies a file that the kernel makes up while it is read, into a new file of mode 0600 that is on the disk afterwards. Answered with
 * `whole`, or `cut` when there was more than `mostBytes`; refused with `open`, `read`, `create`, `write`, `sync`, or `cancelled` while it was
 * under way. What was written stays.
 */
export interface FileCopy {
  readonly kind: 'copy';
  readonly path: string;
  readonly to: string;
  readonly mostBytes: bigint;
  readonly bytesPerSecond: bigint;
}

/**
 * One request to the kernel's generic netlink, on a socket of its own, answered with the messages of the whole answer, each from its struct
 * nlmsghdr on and padded to four bytes; at most 256 KiB. Refused with `socket`, `bind`, `send`, `receive` (ETIMEDOUT, ENOBUFS),
 * `answer` and the errno that the kernel answered, `dump` (EINTR: what it lists has changed meanwhile; ENOBUFS), or `message` (EBADMSG,
 * EMSGSIZE).
 */
export interface NetlinkRead extends WhileAwake {
  readonly kind: 'netlink';
  /** Whole, with its struct nlmsghdr; see wire/generic-netlink.ts. */
  readonly request: Uint8Array;
  /** Empty for a request that reaches no device. */
  readonly runtimeStatus: string;
  /** 1 to 600,000; the kernel can take longer than that to take the request. */
  readonly timeoutMs: number;
}

/** For tests: what a {@link NetlinkRead} with that sequence number makes of these datagrams. */
export interface FakeNetlinkRead {
  readonly kind: 'fake_netlink';
  readonly sequence: number;
  /** Whether that read asks for a dump, which only its end ends. */
  readonly dump: boolean;
  readonly mostBytes: number;
  readonly datagrams: readonly Uint8Array[];
}

export type DeviceRead = FileRead | FdinfoRead | MemoryRegionsRead | FileCopy | NetlinkRead | FakeNetlinkRead;

export interface NativeAddon {
  readonly Reader: new (options: ReaderOptions) => NativeReader;
  readonly MessageReader: new (options: MessageReaderOptions) => NativeMessageReader;
  readonly DirectoryWatch: new (options: DirectoryWatchOptions) => NativeDirectoryWatch;
  readonly PeerListener: new (options: PeerListenerOptions) => NativePeerListener;
  /** Smallest buffer {@link NativeReader.drain} accepts: one full read plus its header. */
  readonly minDrainBytes: number;
  /** Bytes of a page of memory on this kernel. */
  readonly pageSize: number;
  /**
   * Tries one ioctl number on our own fresh open of a render node, with a pipe of its own; both are closed before the promise
   * resolves. Off the JavaScript thread; at most about a second.
   */
  probe(renderNode: string, request: number, tag: number): Promise<ProbeResult>;
  /** Whether a notification pipe can be made at all; makes one and closes it. */
  probePipe(): NativeResult;
  /** Can this process borrow that file? pidfd_open, identity, pidfd_getfd, fstat, close: no ioctl. */
  canBorrow(request: Pick<BorrowRequest, 'pid' | 'startTime' | 'fd' | 'major' | 'minor'>): Promise<NativeResult>;
  /**
   * Every open character device of `major` with one of the `minors`, in every process below `procRoot`. Uses fstatat on
   * /proc/<pid>/fd, so it opens nothing and wakes no GPU. Off the JavaScript thread.
   *
   * @param gpuFree processes to skip as long as all three numbers are the same, in the form of {@link DrmFdScan.gpuFree}
   */
  scanDrmFds(procRoot: string, major: number, minors: Uint32Array, gpuFree?: Float64Array): Promise<DrmFdScan>;
  /** The same for these processes only. */
  findDrmFds(procRoot: string, pids: Uint32Array, major: number, minors: Uint32Array): Promise<DrmFdScan>;
  /**
   * The newest records of the kernel log as syslog(2) gives them, off the JavaScript thread: lines of `<priority>[time] text`, no
   * sequence numbers and no devices, from the last `dmesg --clear` on. The kernel formats its whole ring for it.
   *
   * @param maxBytes as many whole records as fit; at most 64 MiB
   * @returns the text and the size of the whole ring, or operation `syslog`: EPERM = kernel.dmesg_restrict without CAP_SYSLOG, or
   *   seccomp
   */
  readKernelRing(maxBytes: number): Promise<{ readonly text: Uint8Array; readonly ringBytes: number } | NativeFailure>;
  /**
   * Carries out the reads one after the other on a thread of their own, because each can hang in the kernel for ever. Nobody
   * waits for that thread, and it keeps no event loop alive; but while one hangs in the kernel, the process cannot fully end.
   *
   * @param onResult called once for each read, in order; must not throw
   * @returns what has the reads not begun yet, and a copy that is under way, answered with operation `cancelled`; or `pthread_create` when there is no thread,
   *   and then nothing is called
   */
  startReads(
    reads: readonly DeviceRead[],
    onResult: (index: number, result: Uint8Array | NativeFailure) => void,
  ): (() => void) | NativeFailure;
  /**
   * Has processes below this one become its children when their parent ends, as they become those of process 1. Refused with
   * `prctl`.
   */
  becomeSubreaper(): NativeResult;
  /**
   * Waits for the children that have ended, up to the one with the pid `spare`, which Node itself waits for: call it again after
   * its `exit` event. 0 spares none. Never blocks.
   *
   * @returns how many there were
   */
  reapOrphans(spare: number): number;
  /** Raises the soft RLIMIT_NOFILE to `atLeast`, or to the hard limit where that is lower; reports both limits after. */
  raiseFdLimit(atLeast: number): { readonly soft: number; readonly hard: number };
}
