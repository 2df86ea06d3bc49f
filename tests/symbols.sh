#!/bin/bash
# The shared library exports what tests/symbols.txt lists, and nothing else.
set -u
cd "$(dirname "$0")/.." || exit 1
library=${MINNOW_BUILD:-build}/libminnow.so
if [ ! -e "$library" ] || [ ! -e tests/symbols.txt ]; then
  echo "skip: no $library or no tests/symbols.txt"
  echo "symbols: 0 passed, 0 failed, 1 skipped"
  exit 0
fi
if grep -aq __asan_init "$library" || grep -aq __tsan_init "$library"; then
  echo "skip: a sanitizer adds symbols of its own"
  echo "symbols: 0 passed, 0 failed, 1 skipped"
  exit 0
fi
if difference=$(diff <(grep -vE '^(#|$)' tests/symbols.txt | LC_ALL=C sort) \
  <(nm -D --defined-only "$library" | awk '{print $3}' | LC_ALL=C sort)); then
  echo "symbols: 1 passed, 0 failed, 0 skipped"
else
  echo "not ok exported symbols differ (< listed, > exported):"
  echo "$difference"
  echo "symbols: 0 passed, 1 failed, 0 skipped"
  exit 1
fi
