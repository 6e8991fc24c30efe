// Scans the real /proc without privileges and prints the counts as JSON.
import { loadNative } from '../../../exporter/native/load.js';

const addon = loadNative();
process.setgid?.(65534);
process.setuid?.(65534);
const { processes, denied, failure } = await addon.scanDrmFds('/proc', 226, new Uint32Array());
console.log(JSON.stringify({ processes, denied, failure }));
