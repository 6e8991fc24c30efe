#!/usr/bin/env bash
# Tests the chart with Helm 3 and Helm 4. The last line says how many tests passed and failed; a tool that cannot be had is a
# failure, never a skip.
#
#   test/helm/run.sh --update   writes the rendered examples anew instead
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tools=$(bash test/helm/tools.sh) || { echo '0 passed, 1 failed'; exit 1; }
eval "$tools"

if [ "${1:-}" = --update ]; then
  exec node dist/test/helm/update-examples.js
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
node --test --test-timeout=600000 --test-reporter=spec --test-reporter-destination=stdout --test-reporter=tap --test-reporter-destination="$log" dist/test/helm/*.test.js || status=$?

count() { sed -n "s/^# $1 //p" "$log" | tail -n 1; }
passed=$(count pass) failed=$(($(count fail) + $(count cancelled) + $(count skipped) + $(count todo)))
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ] || status=1
echo "$passed passed, $failed failed"
exit "$status"
