#!/bin/sh
#SBATCH --gres=gpu:1
#SBATCH --requeue
#SBATCH --open-mode=append
# A Slurm job that goes back into the queue when it runs out of GPU memory. slurm.conf of the cluster needs
#
#   RequeueExit=75
#
# Slurm then queues a batch job again that ends with this code, and counts that in SLURM_RESTART_COUNT. Any other code ends it for good. Within one
# run the batch is halved twice; a run that is queued again starts where the last one ended.
restarts=${SLURM_RESTART_COUNT:-0}
if [ "$restarts" -gt 3 ]; then
  echo "out of GPU memory in $restarts runs: giving up" >&2
  exit 1
fi
exec srun xe-exporter run --on-oom=restart --max-restarts=2 -- python3 train.py --batch-size=$((512 >> (3 * restarts)))
