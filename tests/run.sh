#!/bin/bash
# Runs every test and sums up: tests/run.sh BUILD. Each test prints "NAME: N passed, N failed, N skipped"; one
# that ends without that line, or runs out of time, is one failure. The last line is the sum; exit 1 on failures.
#   RUNNER       a program that runs the test programs (an emulator); shell tests are then left out
#   TEST_SLOWER  factor on the time limits
# For the shell tests: MINNOW is the program, MINNOW_BUILD the folder with the libraries and helpers.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
runner=${RUNNER:-}
limit=$((${TEST_SECONDS:-120} * ${TEST_SLOWER:-1}))
export MINNOW="$PWD/$build/minnow" MINNOW_BUILD="$PWD/$build"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
logs=$build/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

count() { # name, log, exit status
  local line
  line=$(grep -aE '^[^ ]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$2" | tail -n 1)
  if [[ $line =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    local p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
    [ "$3" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  else
    local p=0 f=1 s=0
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  if [ "$f" -ne 0 ]; then
    echo "---- $1 failed (exit $3) ----"
    tail -c 20000 "$2"
    [ "$3" -eq 124 ] && echo "stopped after $limit seconds"
    echo "---- end of $1 ----"
  else
    grep -a '^skip: ' "$2"
    echo "${line}${SECONDS_TAKEN:+  ($SECONDS_TAKEN s)}"
  fi
}

run() { # name, command...
  local name=$1 start=$SECONDS
  shift
  timeout -k 5 "$limit" "$@" >"$logs/$name.log" 2>&1 </dev/null
  local status=$?
  SECONDS_TAKEN=$((SECONDS - start))
  [ "$SECONDS_TAKEN" -gt 0 ] || SECONDS_TAKEN=''
  count "$name" "$logs/$name.log" $status
}

for source in tests/test_*.c; do
  [ -e "$source" ] || continue
  name=$(basename "$source" .c)
  # shellcheck disable=SC2086
  run "$name" $runner "$build/tests/$name"
done
for source in tests/fuzz_*.c; do
  [ -e "$source" ] && [ "$source" != tests/fuzz_main.c ] || continue
  name=$(basename "$source" .c)
  name=${name#fuzz_}
  # shellcheck disable=SC2086
  run "replay_$name" $runner "$build/tests/replay_$name" "tests/corpus/$name"
done
if [ -z "$runner" ]; then
  for script in tools/check_*.sh tests/*.sh; do
    case $script in tests/run.sh | tests/fuzz.sh | tests/program.sh) continue ;; esac
    [ -e "$script" ] && run "$(basename "$script" .sh)" bash "$script"
  done
else
  echo "skip: the shell tests, which run the program as this machine does"
  skipped=$((skipped + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
