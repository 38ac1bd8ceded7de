#!/bin/sh
# A campaign on Slurm, without a queue: each task of an array does its share of the jobs, and goes on where it was when
# it is started again. When all are done, one command puts the shares together:
#   sbatch --array=1-100 examples/campaigns/slurm.sh examples/campaigns/check-all.json
#   npx faultline campaign examples/campaigns/check-all.json --store all.sqlite --merge share-*.sqlite
#SBATCH --job-name=faultline
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -eu
exec npx faultline campaign "$1" \
  --workers "$SLURM_CPUS_PER_TASK" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --store "share-$SLURM_ARRAY_TASK_ID.sqlite"
