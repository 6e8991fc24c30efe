"""A "GPU" that has room for 16 samples, for the recipes of docs/jobs/: who wants more loses its VM, and says so to the test."""

import http.client
import os
import socket
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [os.environ["XE_TEST_RECIPES"], os.environ["XE_TEST_CLIENT_FOLDER"]]
ROOM = 16


def say(line: str) -> None:
    """In one write, or the lines of two workers mix: with PYTHONUNBUFFERED, print() writes each word by itself."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def lose_vm(errno: int) -> None:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["XE_TEST_GPU"])
    connection.request("GET", f"/lose?errno={errno}&pid={os.getpid()}")
    connection.getresponse().read()
    connection.close()


def compute(samples: int) -> None:
    if samples > ROOM:
        lose_vm(-12)
        raise RuntimeError("UR_RESULT_ERROR_DEVICE_LOST")


def hang() -> None:
    while True:
        time.sleep(60)


def loop(batch_size: str) -> None:
    import training_loop

    samples = []

    def step(batch) -> None:
        for _ in range(batch.accumulation):
            compute(batch.micro)
        samples.append(batch.micro * batch.accumulation)

    batch = training_loop.train(int(batch_size), 5, step, lambda: None)
    say(f"{batch.micro} {batch.accumulation} {samples}")


def loop_with_bug() -> None:
    import training_loop

    training_loop.TOLD_WITHIN = 0.2

    def step(_batch) -> None:
        lose_vm(-62)
        raise RuntimeError("UR_RESULT_ERROR_DEVICE_LOST")

    training_loop.train(64, 5, step, lambda: None)


def worker(folder: str) -> None:
    import worker as recipe

    scale = recipe.guard(Path(folder))
    say(f"scale {scale}")
    try:
        compute(int(64 * scale))
    except RuntimeError:
        hang()  # As frameworks do; the callback ends it.


def train(batch_size: str) -> None:
    size = int(int(batch_size.split("=")[1]) * float(os.environ["XE_EXPORTER_RUN_SCALE"]))
    say(f"batch {size}")
    try:
        compute(size)
    except RuntimeError:
        hang()


if __name__ == "__main__":
    {"loop": loop, "loop_with_bug": loop_with_bug, "worker": worker, "train": train}[sys.argv[1]](*sys.argv[2:])
