#!/bin/sh
# Workers of torchrun that end with exit code 75 when they run out of GPU memory, and start again with half the batch.
#
# When a worker ends with another code than 0, torchrun ends the others and starts all of them again, at most --max_restarts times. train.py calls
# worker.guard(), which keeps the scale where all of them find it.
exec torchrun --nproc_per_node="${WORKERS:-4}" --max_restarts="${RESTARTS:-3}" "$@"
