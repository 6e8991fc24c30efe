/** The kernel's uevents (lib/kobject_uevent.c, Linux 7.2): `action@devpath` and `KEY=value` strings, each ended by a zero byte. Pure. */
export interface Uevent {
  readonly action: string;
  /** Below /sys. */
  readonly devpath: string;
  readonly subsystem: string;
  readonly values: ReadonlyMap<string, string>;
}

/** A payload has at most UEVENT_BUFFER_SIZE (2048) bytes and 64 variables (include/linux/kobject.h). */
const MAX_BYTES = 8192;

/** Parses one payload; undefined when it is none, for example udev's own messages. */
export function parseUevent(bytes: Uint8Array): Uevent | undefined {
  if (bytes.length > MAX_BYTES) return undefined;
  const [head = '', ...pairs] = Buffer.from(bytes).toString('utf8').split('\0');
  if (!/^[a-z]+@\//.test(head)) return undefined;
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at > 0 && !values.has(pair.slice(0, at))) values.set(pair.slice(0, at), pair.slice(at + 1));
  }
  const action = values.get('ACTION');
  const devpath = values.get('DEVPATH');
  const subsystem = values.get('SUBSYSTEM');
  if (head !== `${action}@${devpath}` || action === undefined || devpath === undefined || subsystem === undefined) {
    return undefined;
  }
  return { action, devpath, subsystem, values };
}
