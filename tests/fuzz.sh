#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS: tests/fuzz.sh BUILD. Starts from tests/corpus/NAME; new inputs stay in
# BUILD/NAME, and an input that fails is written beside them. A found input belongs into tests/corpus/NAME.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build/fuzz}
status=0
for source in tests/fuzz_*.c; do
  [ -e "$source" ] && [ "$source" != tests/fuzz_main.c ] || continue
  name=$(basename "$source" .c)
  name=${name#fuzz_}
  mkdir -p "$build/$name" "tests/corpus/$name"
  echo "fuzz $name: ${FUZZ_SECONDS:-60} seconds"
  if ! "$build/tests/fuzz_$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/$name-" "$build/$name" "tests/corpus/$name" >"$build/$name.log" 2>&1; then
    tail -n 40 "$build/$name.log"
    echo "fuzz $name: FAILED"
    status=1
  else
    grep -E 'number_of_executed_units|new_units_added' "$build/$name.log"
  fi
done
exit $status
