# shellcheck shell=bash
# For the suites that run compiled tests and say in their last line how many passed and failed. To be sourced.

passed=0 failed=0 skipped=0

# run_tests <folder or file below dist/test> ... [<option of node --test> ...]: adds to passed, failed and skipped.
run_tests() {
  local argument places=() options=() tests tap status=0 pass=0 fail=0
  for argument in "$@"; do
    if [[ $argument = --* ]]; then options+=("$argument"); else places+=("dist/test/$argument"); fi
  done
  mapfile -t tests < <(find "${places[@]}" -name '*.test.js' 2>/dev/null | sort)
  if [ ${#tests[@]} -eq 0 ]; then
    echo "${places[*]}: no tests; run npm run build first." >&2
    failed=$((failed + 1))
    return
  fi
  tap=$(mktemp)
  node --test "${options[@]}" --test-reporter=spec --test-reporter-destination=stdout --test-reporter=tap --test-reporter-destination="$tap" "${tests[@]}" || status=$?
  while read -r what number; do
    case $what in
      pass) pass=$number ;;
      fail | cancelled) fail=$((fail + number)) ;;
      skipped | todo) skipped=$((skipped + number)) ;;
    esac
  done < <(sed -nE 's/^# (pass|fail|cancelled|skipped|todo) ([0-9]+)$/\1 \2/p' "$tap")
  rm -f "$tap"
  # A run that ends before it has counted has failed, too.
  if [ "$fail" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$pass" -eq 0 ]; }; then fail=1; fi
  passed=$((passed + pass)) failed=$((failed + fail))
}

# Prints the last line, and fails where a test has failed. A skipped test is a failed one: a suite that may skip sets skipped=0 first.
report() {
  failed=$((failed + skipped))
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
