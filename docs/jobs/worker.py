"""A worker that ends with exit code 75 when it runs out of GPU memory, and comes back smaller.

For launchers and schedulers that start a job again and say how often: torchrun, Slurm. Needs xe_exporter_jobs.py beside it. See docs/jobs.md.

    scale = worker.guard(Path("checkpoints"))
    train(batch_size=int(256 * scale))
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import xe_exporter_jobs as jobs

#: "Try again later": what launchers and schedulers are told to retry. See sysexits(3).
EX_TEMPFAIL = 75


def guard(folder: Path) -> float:
    """From now on, running out of GPU memory ends this process with exit code 75.

    :param folder: outlives the process, and all workers of the job share it, like the folder of checkpoints.
    :returns: how large a batch should be, as a factor: 1.0 at first, half of it after each such end.
    """
    run = int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or os.environ.get("SLURM_RESTART_COUNT") or 0)
    # One file a run, so that a worker that starts late does not read what this run has to say to the next.
    earlier = [folder / f"scale-{number}" for number in range(run, 0, -1)]
    scale = next((float(file.read_text()) for file in earlier if file.exists()), 1.0)

    def give_up(event: jobs.Event) -> None:
        # All workers of a run write the same, so it does not matter how many are hit.
        fresh = folder / f"scale.{os.getpid()}"
        fresh.write_text(str(scale / 2))
        fresh.replace(folder / f"scale-{run + 1}")
        # In one write, so that the lines of several workers do not mix: print() may write the end of the line by itself.
        sys.stderr.write(f"out of GPU memory at scale {scale}: {event.body}\n")
        # At once: other threads may hang in the driver, and an exception of this thread would end nothing.
        os._exit(EX_TEMPFAIL)

    try:
        jobs.on_out_of_memory(give_up)
    except jobs.JobsError as error:
        sys.stderr.write(f"running out of GPU memory will not be noticed: {error}\n")
    return scale
