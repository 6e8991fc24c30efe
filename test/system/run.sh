#!/usr/bin/env bash
# Runs the system tests over the built program with the real tools. The last line says how many passed and failed; a tool
# that cannot be had is a failure, never a skip.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

tools=$(bash test/system/tools.sh) || { echo '0 passed, 1 failed'; exit 1; }
eval "$tools"
# One file at a time: each starts servers of its own and watches the clock of their rules.
run_tests system --test-concurrency=1 --test-timeout=900000
report
