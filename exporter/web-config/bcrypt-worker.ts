import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import bcrypt from 'bcryptjs';

export interface BcryptQuestion {
  readonly password: string;
  readonly hash: string;
}

// On Linux 0 is the calling thread alone. A third of the weight of the event loop; much less would let a busy node starve the
// first scrape beyond its time-out.
try {
  setPriority(0, 5);
} catch {
  // A sandbox may forbid it; the queue is bounded all the same.
}

parentPort?.on('message', ({ password, hash }: BcryptQuestion) =>
  parentPort?.postMessage(bcrypt.compareSync(password, hash)),
);
