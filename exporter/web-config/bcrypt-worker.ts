import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import bcrypt from 'bcryptjs';

export interface BcryptQuestion {
  readonly password: string;
  readonly hash: string;
}

// On Linux 0 is the calling thread alone. It gets a third of the weight of the event loop; with much less, a busy node would delay the
// first scrape past its time-out.
try {
  setPriority(0, 5);
} catch {
  // A sandbox may forbid this. The queue is bounded either way.
}

parentPort?.on('message', ({ password, hash }: BcryptQuestion) =>
  parentPort?.postMessage(bcrypt.compareSync(password, hash)),
);
