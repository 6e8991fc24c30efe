#!/usr/bin/env bash
# Builds the test kernels if need be and runs every scenario, or those whose name contains one of the arguments:
#
#   test/kernel/run.sh self-test
#
# The project must have been compiled before (npm run build).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
XE_TEST_ROOT=$(cd "$here/../.." && pwd)
XE_TEST_IMAGE=$("$here/build.sh" --7.x | tail -n 1)
XE_TEST_IMAGE_NO_WATCH_QUEUE=$("$here/build.sh" --no-watch-queue | tail -n 1)
XE_TEST_PROGRAMS=$("$here/build.sh" --programs | tail -n 1)
export XE_TEST_ROOT XE_TEST_IMAGE XE_TEST_IMAGE_NO_WATCH_QUEUE XE_TEST_PROGRAMS

# Some scenarios boot it. Not among the packages of build.sh: no kernel depends on it.
[[ -x /lib/systemd/systemd ]] ||
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends systemd; } >&2 ||
  { echo 'run.sh: systemd is missing: install the package systemd as root' >&2; exit 1; }

exec node "$XE_TEST_ROOT/dist/test/kernel/run.js" "$@"
