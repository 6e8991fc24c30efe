#!/usr/bin/env bash
# Tests the chart with Helm 3 and Helm 4. The last line says how many tests passed and failed; a tool that cannot be had is a
# failure, never a skip.
#
#   test/helm/run.sh --update   writes the rendered examples anew instead
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=test/suite.sh
source test/suite.sh

tools=$(bash test/helm/tools.sh) || { echo '0 passed, 1 failed'; exit 1; }
eval "$tools"

if [ "${1:-}" = --update ]; then
  exec node dist/test/helm/update-examples.js
fi

run_tests helm --test-timeout=600000
report
