// Throws what its first argument names from onReady; handles that where the second says so.
import { makeReader, numbered, opened } from '../harness.js';

const [, , what, handling] = process.argv;
const thrown = { error: new Error('thrown from onReady'), null: null }[what ?? ''];

if (handling === 'handled') {
  process.on('uncaughtException', (error: unknown) => {
    process.exitCode = error === thrown ? 0 : 2;
    reader.close();
  });
}
const reader = makeReader({
  onReady: () => {
    throw thrown;
  },
});
reader.post(opened(reader.open(32)), numbered(0));
