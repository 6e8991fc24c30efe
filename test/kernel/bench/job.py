"""A job that says when it is told of an out-of-memory error, in ns of CLOCK_MONOTONIC.

    job.py socket CLIENT_FOLDER SOCKET      by the client for Python
    job.py run COMMAND [ARGUMENT ...]       by SIGUSR1, while COMMAND has the GPU open
"""

import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True


def told(*_):
    now = time.monotonic_ns()
    os.write(1, b'{"told":"%d"}\n' % now)


way, *words = sys.argv[1:]
if way == "socket":
    sys.path.insert(0, words[0])
    import xe_exporter_jobs as jobs

    with jobs.on_out_of_memory(told, words[1]):
        print('{"listening":true}', flush=True)
        sys.stdin.read()
else:
    signal.signal(signal.SIGUSR1, told)
    sys.exit(subprocess.call(words))
