#!/usr/bin/env bash
# Runs the native suite under the address and the undefined-behaviour sanitizer, and the threads of the addon
# without Node under the thread sanitizer. Prints "N passed, N failed"; exit code 1 when anything failed.
set -euo pipefail
cd "$(dirname "$0")/../.."

passed=0
failed=0
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# Where the compiler keeps a library, or nothing.
library() {
  local path
  path=$(g++ -print-file-name="$1" 2>/dev/null || true)
  if [[ $path == /* ]]; then realpath "$path"; fi
}

install_missing() {
  local missing=()
  command -v g++ >/dev/null || missing+=(g++)
  command -v make >/dev/null || missing+=(make)
  command -v python3 >/dev/null || missing+=(python3)
  if command -v g++ >/dev/null; then
    [[ -n $(library libasan.so) && -n $(library libubsan.so) && -n $(library libtsan.so) ]] ||
      missing+=("libgcc-$(g++ -dumpversion)-dev")
  fi
  if ((${#missing[@]} == 0)); then return; fi
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}; install them, or run this as root on Debian or Ubuntu" >&2
    exit 1
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# suite <sanitizer> <variable=value>...: builds the addon with it and runs the suite on that build.
suite() {
  local sanitizer=$1
  shift
  echo "== $sanitizer sanitizer"
  node native/build.mjs --sanitize="$sanitizer"
  local addon=$PWD/native/build/sanitize-$sanitizer/build/Release/xe_exporter.node
  local code=0
  env "$@" XE_EXPORTER_NATIVE_PATH="$addon" \
    node --test --test-timeout=600000 --test-reporter=tap dist/test/native/*.test.js >"$log/$sanitizer.tap" 2>&1 || code=$?
  local pass fail
  pass=$(sed -n 's/^# pass //p' "$log/$sanitizer.tap")
  fail=$(sed -n 's/^# fail //p' "$log/$sanitizer.tap")
  # A run that ended without its summary is a failure, too.
  if ((code != 0)) && ((${fail:-0} == 0)); then fail=1; fi
  passed=$((passed + ${pass:-0}))
  failed=$((failed + ${fail:-0}))
  if ((${fail:-0} > 0)); then
    # The failed tests with their details, and what a sanitizer printed by itself.
    awk '/^ok /{show=0} /^not ok /||/Sanitizer/||/runtime error/{show=1} show' "$log/$sanitizer.tap"
  fi
}

# The threads alone; the thread sanitizer does not work preloaded into node.
stress() {
  echo "== thread sanitizer"
  local src=native/src
  g++ -std=c++20 -g -O1 -fsanitize=thread -fno-exceptions -fno-rtti -pthread -iquote "$src" -o "$log/stress" \
    test/native/stress.cc "$src"/{batch_queue,kmsg_protocol,message_thread,native_thread,notification_source,pipe_poller,reader_thread}.cc \
    "$src"/fake/{fake_message_device,fake_pipe}.cc
  # Takes about ten seconds; threads that wait for each other are a failure, too.
  if TSAN_OPTIONS=halt_on_error=1:exitcode=66 timeout --verbose 300 "$log/stress"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
}

install_missing
npm run --silent build
# Node itself leaks on purpose at exit, so leaks are not looked for.
suite address "LD_PRELOAD=$(library libasan.so)" ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1
suite undefined UBSAN_OPTIONS=print_stacktrace=1
stress
echo "$passed passed, $failed failed"
((failed == 0))
