"""A training loop that survives running out of GPU memory: half the micro batch, twice the accumulation steps.

The number of samples behind one optimizer step stays the same, so the result of the training does, too. Needs
xe_exporter_jobs.py beside it. See docs/jobs.md.
"""

from __future__ import annotations

import sys
import threading
from typing import Callable

import xe_exporter_jobs as jobs

#: "Try again later": what launchers and schedulers are told to retry. See sysexits(3).
EX_TEMPFAIL = 75

#: Seconds in which the exporter surely tells why a VM was lost, after the framework has said "device lost".
TOLD_WITHIN = 5.0


class Batch:
    """``micro`` samples at a time, ``accumulation`` times, before the optimizer steps."""

    def __init__(self, size: int) -> None:
        self.micro, self.accumulation = size, 1

    def shrink(self) -> bool:
        if self.micro == 1:
            return False
        self.micro, self.accumulation = self.micro // 2, self.accumulation * 2
        return True


def train(batch_size: int, steps: int, step: Callable[[Batch], None], recover: Callable[[], None]) -> Batch:
    """Runs ``step(batch)`` so many times.

    :param step: forward, backward and one optimizer step. Raises RuntimeError when the device is lost, as PyTorch does.
    :param recover: frees what is on the GPU and loads the last checkpoint: the lost VM comes back to nobody.
    """
    out_of_memory = threading.Event()
    batch = Batch(batch_size)
    with jobs.on_out_of_memory(lambda event: out_of_memory.set()):
        for _ in range(steps):
            while True:
                out_of_memory.clear()
                try:
                    step(batch)
                    break
                except RuntimeError:
                    # Anything else than a lack of memory: a smaller batch does not help.
                    if not out_of_memory.wait(TOLD_WITHIN):
                        raise
                if not batch.shrink():
                    print("one sample does not fit on this GPU", file=sys.stderr)
                    sys.exit(EX_TEMPFAIL)
                recover()
    return batch
