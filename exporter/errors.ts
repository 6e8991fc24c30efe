/**
 * Every error a user can meet: what was tried and seen (`message`), what to do (`fix`), how the process ends (`exitCode`).
 * A published code stays; a retired one is not used again. `{name}` stands for a detail given to {@link codedError}.
 */

/** Exit codes of the program. A second SIGINT or SIGTERM ends it at once with 130 or 143. */
export const EXIT = {
  ok: 0,
  /** A run-time failure: the port is taken, the addon does not load, a bug. */
  failure: 1,
  /** The command line, environment or configuration file is wrong; nothing was started. */
  usage: 2,
  /** `doctor`: something that was asked for does not work on this node. */
  degraded: 3,
  /** `run`: the job cannot be started, in the codes of shells, env(1) and timeout(1). */
  jobNotExecutable: 126,
  jobNotFound: 127,
} as const;
/** Exit codes of `health`: what node-problem-detector expects of a plugin. */
export const HEALTH_EXIT = { fit: 0, unfit: 1, unknown: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

interface ErrorEntry {
  readonly message: string;
  readonly fix: string;
  readonly exitCode: ExitCode;
}

export const ERRORS = {
  XEE_UNKNOWN_COMMAND: {
    message: '{command} is not a command',
    fix: '{suggestion}Run "xe-exporter --help" for the commands.',
    exitCode: EXIT.usage,
  },
  XEE_UNKNOWN_FLAG: {
    message: '{problems}',
    fix: 'Run "xe-exporter {command} --help" for its flags.',
    exitCode: EXIT.usage,
  },
  XEE_CONFIG_INVALID: {
    message: '{problems}',
    fix: 'Run "xe-exporter {command} --help" for the options and their formats.',
    exitCode: EXIT.usage,
  },
  XEE_CONFIG_FILE_UNREADABLE: {
    message: '{problems}',
    fix: 'Check the path given to --config and that this user may read the file.',
    exitCode: EXIT.usage,
  },
  XEE_CONFIG_FILE_INVALID: {
    message: '{problems}',
    fix: 'The file is YAML: one mapping from option key to value, for example "scanInterval: 5s".',
    exitCode: EXIT.usage,
  },
  XEE_WEB_CONFIG_UNREADABLE: {
    message: 'cannot read the web configuration: {problems}',
    fix: 'Check the path given to --web-config-file, the paths in that file, and that this user may read them.',
    exitCode: EXIT.usage,
  },
  XEE_WEB_CONFIG_INVALID: {
    message: 'web configuration {problems}',
    fix: 'The file has the web configuration format of Prometheus exporters; docs/http.md has an example.',
    exitCode: EXIT.usage,
  },
  XEE_PORT_IN_USE: {
    message: 'cannot listen on {address}: the port is in use (EADDRINUSE)',
    fix: 'Find the process with "ss -ltnp" and stop it, or choose another port with {flag}.',
    exitCode: EXIT.failure,
  },
  XEE_ADDRESS_NOT_AVAILABLE: {
    message: 'cannot listen on {address}: this machine has no such address ({errno})',
    fix: 'Set {flag} to an address of this machine, or to ":port" for all of them.',
    exitCode: EXIT.failure,
  },
  XEE_PORT_PERMISSION: {
    message: 'cannot listen on {address}: permission denied ({errno})',
    fix: 'Ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher port with {flag}, or add the capability.',
    exitCode: EXIT.failure,
  },
  XEE_ADDON_NOT_LOADABLE: {
    message: 'the native addon does not load: {tried}',
    fix: '{fix}',
    exitCode: EXIT.failure,
  },
  XEE_NO_EVENT_SOURCE: {
    message: 'no source of xe device events works here: {seen}',
    fix: '{fix}Run "xe-exporter doctor" for details.',
    exitCode: EXIT.failure,
  },
  XEE_OTLP_MISCONFIGURED: {
    message: 'OTLP export cannot start: {seen}',
    fix: 'Check --otlp-endpoint and the OTEL_* variables, or unset them to run without OTLP.',
    exitCode: EXIT.usage,
  },
  XEE_KUBERNETES_EVENT_REFUSED: {
    message: 'the Kubernetes Event for pod {pod} was refused: {seen}',
    fix: '{fix}',
    exitCode: EXIT.failure,
  },
  XEE_KUBERNETES_EVENTS_UNDELIVERED: {
    message: 'Kubernetes Events cannot be written: {seen}',
    fix: 'Check that pods on this node can reach the API server and, for 401, their service account. Events wait; those that get too old are dropped and counted.',
    exitCode: EXIT.failure,
  },
  XEE_NODE_CONDITION_UNWRITTEN: {
    message: 'the condition {condition} of node {node} cannot be written: {seen}',
    fix: '{fix}',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_SOCKET_REFUSED: {
    message: "cannot make the jobs' socket {path}: {seen}",
    fix: 'Set --jobs-socket to a path of at most 106 bytes in a folder that this user may write to and others may not.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_SOCKET_IN_USE: {
    message: "cannot make the jobs' socket {path}: another process serves it",
    fix: 'Find the process with "ss -xlp" and stop it, or choose another path with --jobs-socket.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_SOCKET_FORBIDDEN: {
    message: "cannot make the jobs' socket {path}: this service may open no Unix socket ({seen})",
    fix: 'Add RestrictAddressFamilies=AF_UNIX to the service, or do without --jobs-socket. docs/bare-metal.md says what that means for a service that reads the trace.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_STATE_FILE: {
    message: 'cannot keep in {path} why jobs ended: {seen}',
    fix: 'Set --jobs-state-file to a file that this user may write. Until then, a restart of the exporter forgets it.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_UNSUPPORTED: {
    message: 'this kernel does not say for certain who has connected to a socket (SO_PEERPIDFD: {seen})',
    fix: 'Linux 6.5 or later is needed.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_PEER_UNSEEN: {
    message: 'the exporter cannot see the process that connected, which is outside its pid namespace',
    fix: 'Run the exporter in the pid namespace of the host: hostPID: true in its pod, as the chart has it, or --pid=host with Docker or Podman.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_PEER_UNREADABLE: {
    message: 'the exporter cannot read the cgroup of process {pid}, which connected: {seen}',
    fix: 'Check that --path-procfs of the exporter is the procfs of the host, and not mounted with hidepid.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_PEER_GONE: {
    message: 'the process that connected ended before it was identified',
    fix: 'Let the process that calls connect() wait for the answer.',
    exitCode: EXIT.failure,
  },
  XEE_JOBS_NO_WORKLOAD: {
    message: 'process {pid}, which connected, belongs to no pod, container, systemd unit or Slurm job',
    fix: 'Start the job in one of them, for example with "systemd-run --scope COMMAND". For events of the whole node, ask the HTTP port of the exporter.',
    exitCode: EXIT.failure,
  },
  XEE_JOB_MISSING: {
    message: 'run has no job to run',
    fix: 'Put the command and its arguments after "--": xe-exporter run -- python train.py',
    exitCode: EXIT.usage,
  },
  XEE_JOB_NOT_FOUND: {
    message: 'cannot start the job {command}: no such command ({errno})',
    fix: 'Check its name and PATH; a script also needs the interpreter named in its first line.',
    exitCode: EXIT.jobNotFound,
  },
  XEE_JOB_NOT_EXECUTABLE: {
    message: 'cannot start the job {command}: the kernel refused it ({errno})',
    fix: 'For EACCES, check that this user may execute the file; otherwise look up the error in execve(2).',
    exitCode: EXIT.jobNotExecutable,
  },
  XEE_BUNDLE_NOT_WRITTEN: {
    message: 'cannot write the bundle to {path}: {seen}',
    fix: 'Name a file that does not exist yet, in a folder this user may write to, with --output.',
    exitCode: EXIT.failure,
  },
  XEE_SHUTDOWN_DEADLINE: {
    message: 'did not stop within {seconds} s of {signal}; exiting with work left undone',
    fix: 'Something is blocking the shutdown, most often an OTLP collector that does not answer. Raise --shutdown-timeout to give it more time.',
    exitCode: EXIT.failure,
  },
  XEE_INTERNAL: {
    message: 'internal error: {seen}',
    fix: 'This is a bug in xe-exporter. Please report it with the output of the same command run with --log-level=debug.',
    exitCode: EXIT.failure,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

type Placeholder<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholder<Rest>
  : never;

/** The details a code's texts ask for, checked by the compiler. */
export type ErrorDetails<Code extends ErrorCode> = Readonly<
  Record<Placeholder<(typeof ERRORS)[Code]['message' | 'fix']>, string | number>
>;

/** An error with an entry in {@link ERRORS}. `message` says what was tried and seen, `fix` what to do about it. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;
  readonly fix: string;
  readonly exitCode: ExitCode;

  constructor(code: ErrorCode, message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.fix = fix;
    this.exitCode = ERRORS[code].exitCode;
  }
}

/**
 * Makes the error of one code. Details must hold no secrets: they are printed and logged.
 * @param options `cause`: the error that led here, kept for debugging.
 */
export function codedError<Code extends ErrorCode>(
  code: Code,
  details: ErrorDetails<Code>,
  options?: ErrorOptions,
): CodedError {
  const { message, fix } = ERRORS[code];
  return new CodedError(code, fill(message, details), fill(fix, details), options);
}

/** The error as text: what happened, what to do, and the code to search for; one line unless a detail has several. */
export function explain({ message, fix, code }: CodedError): string {
  const end = message.includes('\n') ? '\n' : /[.?!]$/.test(message) ? ' ' : '. ';
  return `${message}${end}${fix} [${code}]`;
}

function fill(template: string, details: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => String(details[name] ?? placeholder));
}
