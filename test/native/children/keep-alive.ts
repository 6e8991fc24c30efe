// Ends by itself, and only once the reader was closed: the records come while nothing else keeps the loop alive.
import { drainAll, makeReader, numbered, opened } from '../harness.js';

const reader = makeReader({
  onReady: () => {
    console.log('ready');
    drainAll(reader);
    reader.close();
    console.log('closed');
  },
});
reader.post(opened(reader.open(32)), numbered(0));
