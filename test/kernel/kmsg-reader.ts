// Reads the kernel log through the native reader until a line ends with "the end", then prints the figures as JSON; says when it is
// open and when it has the first line. A process of its own, so that it can be stopped while the ring runs over. Guest side.
import { loadNative } from '../../exporter/native/load.js';
import { forEachFrame } from '../../exporter/sources/batch-frames.js';

const native = loadNative();
const buffer = Buffer.alloc(native.minDrainBytes);
const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
const sequences: number[] = [];
let ended = false;

const reader = new native.MessageReader({
  protocol: 'kmsg',
  backend: 'linux',
  path: '/dev/kmsg',
  sinceBoot: false,
  keep: [';xe '],
  queueBytes: 1 << 20,
  onReady() {
    for (let length = reader.drain(buffer); length > 0; length = reader.drain(buffer)) {
      forEachFrame(view, length, (_pipe, start, end) => {
        const record = buffer.toString('latin1', start, end);
        if (sequences.length === 0) console.log('"begun"');
        sequences.push(Number(record.split(',', 2)[1]));
        ended ||= record.split('\n', 1)[0]?.endsWith('the end') === true;
      });
    }
    if (!ended) return;
    reader.close();
    console.log(JSON.stringify({ ...reader.stats(), sequences }));
  },
});
const failure = reader.open();
if (failure !== undefined) throw new Error(JSON.stringify(failure));
console.log('"reading"');
