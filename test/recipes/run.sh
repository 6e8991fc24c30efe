#!/usr/bin/env bash
# The recipes of docs/jobs/ under their real launchers: Slurm and torchrun, from Debian's packages, on this machine's loopback interface.
# Needs root and a cgroup2 that may be written to. The last line says how many tests passed and failed; a tool that cannot be had is a
# failure, never a skip.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

packages=(slurmctld slurmd slurm-client munge python3-torch)
dpkg-query -W "${packages[@]}" >/dev/null 2>&1 || {
  # Their services stay off: the tests start daemons of their own, with a configuration of their own.
  { apt-get -qq update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install -y --no-install-recommends "${packages[@]}"; } >/dev/null ||
    { echo "run: cannot install ${packages[*]}: install them as root, or run this as root." >&2; echo '0 passed, 1 failed'; exit 1; }
}
run_tests recipes --test-concurrency=1 --test-timeout=600000
report
