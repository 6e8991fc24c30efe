/** What `run` says about itself on standard error, one line a message; the rest of that stream is the job's. */
export type Say = (message: string) => void;
