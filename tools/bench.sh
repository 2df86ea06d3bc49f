#!/bin/bash
# Runs the benchmark programs: tools/bench.sh BUILD. Each writes CSV to stdout; it is shown, and kept in
# bench/results/NAME.csv under comment lines with the machine, the date and the command.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
mkdir -p bench/results
machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), $(nproc) CPUs, $(uname -sm)"
compiler=$(${CC:-cc} --version | head -n 1)
status=0
for source in tests/bench_*.c; do
  [ -e "$source" ] || continue
  name=$(basename "$source" .c)
  out=bench/results/${name#bench_}.csv
  {
    echo "# machine: $machine"
    echo "# compiler: $compiler"
    echo "# date: $(date -u +%Y-%m-%d)"
    echo "# command: make bench ($name)"
  } >"$out.new"
  if "$build/tests/$name" >>"$out.new"; then
    mv "$out.new" "$out"
    echo "== $out"
    cat "$out"
  else
    rm -f "$out.new"
    echo "$name failed" >&2
    status=1
  fi
done
exit $status
