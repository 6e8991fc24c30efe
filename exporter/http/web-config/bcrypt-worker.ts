import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import bcrypt from 'bcryptjs';

export interface BcryptQuestion {
  readonly password: string;
  readonly hash: string;
}

// On Linux 0 is the calling thread alone. Passwords are checked with what CPU the rest of the program and node leave.
try {
  setPriority(0, 19);
} catch {
  // A sandbox may forbid it; the queue is bounded all the same.
}

parentPort?.on('message', ({ password, hash }: BcryptQuestion) =>
  parentPort?.postMessage(bcrypt.compareSync(password, hash)),
);
