#!/usr/bin/env bash
# Runs the system tests over the built program with the real tools. The last line says how many passed and failed; a tool
# that cannot be had is a failure, never a skip.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=$(bash test/system/tools.sh) || { echo '0 passed, 1 failed'; exit 1; }
eval "$tools"
mapfile -t tests < <(find dist/test/system -name '*.test.js' | sort)
[ ${#tests[@]} -gt 0 ] || { echo 'run: dist/test/system has no tests; run npm run build first' >&2; echo '0 passed, 1 failed'; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# One file at a time: each starts servers of its own and watches the clock of their rules.
node --test --test-concurrency=1 --test-timeout=900000 --test-reporter=spec --test-reporter-destination=stdout --test-reporter=tap --test-reporter-destination="$log" "${tests[@]}" || status=$?

count() { sed -n "s/^# $1 //p" "$log" | tail -n 1; }
passed=$(count pass) failed=$(($(count fail) + $(count cancelled) + $(count skipped) + $(count todo)))
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ] || status=1
echo "$passed passed, $failed failed"
exit "$status"
