#!/usr/bin/env bash
# Attacks the built program on this machine's loopback interface; "short" takes at most three minutes. The last line says how many
# tests passed and failed; a tool that cannot be had is a failure, never a skip.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ "${1-}" != short ] || export XE_EXPORTER_ATTACK=short
# For clocks that jump.
command -v faketime >/dev/null || apt-get install -y -qq faketime >/dev/null ||
  { echo 'run: faketime is missing: install the package faketime.' >&2; echo '0 passed, 1 failed'; exit 1; }
mapfile -t tests < <(find dist/test/attack -name '*.test.js' | sort)
[ ${#tests[@]} -gt 0 ] || { echo 'run: dist/test/attack has no tests; run npm run build first' >&2; echo '0 passed, 1 failed'; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# One at a time: they measure.
node --test --test-concurrency=1 --test-timeout=900000 --test-reporter=spec --test-reporter-destination=stdout --test-reporter=tap --test-reporter-destination="$log" "${tests[@]}" || status=$?

count() { sed -n "s/^# $1 //p" "$log" | tail -n 1; }
passed=$(count pass) failed=$(($(count fail) + $(count cancelled)))
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ] || status=1
echo "$passed passed, $failed failed"
exit "$status"
