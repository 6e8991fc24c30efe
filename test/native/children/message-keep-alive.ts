// Ends by itself, and only once the reader was closed: the message, and then the failure, come while nothing else keeps the
// loop alive.
import { ENODEV, drainMessages, KMSG, makeMessageReader } from '../message-harness.js';

let failed = false;
const reader = makeMessageReader({
  ...KMSG,
  onReady: () => {
    if (drainMessages(reader).length > 0) {
      console.log('ready');
      reader.postError(ENODEV);
    }
    // A call may follow that has nothing new to tell.
    if (failed || reader.stats().failure === undefined) return;
    failed = true;
    console.log('failed');
    setTimeout(() => {
      reader.close();
      console.log('closed');
    }, 1).unref(); // The reader alone keeps the process alive.
  },
});
reader.open();
reader.post(Buffer.from('6,1,1,-;xe'));
