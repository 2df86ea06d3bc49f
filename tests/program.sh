# Sourced by the tests that look at the program from outside: where it lies, a folder of their own, how to call it and
# how to judge. Sets minnow, build, folder; counts in passed and failed. Reads $input (the program's stdin), if set.
build=${MINNOW_BUILD:-$PWD/build}
minnow=${MINNOW:-$build/minnow}
passed=0 failed=0 skipped=0
unset MINNOW_PACKS MINNOW_POLICY MINNOW_LEDGER MINNOW_KERNELS COLUMNS

# program_needs NAME FILE...: leaves, as skipped, when the program or one of these is not there; makes the folder.
program_needs() {
  local name=$1 file
  shift
  for file in "$minnow" "$@"; do
    [ -x "$file" ] && continue
    echo "skip: there is no $file"
    echo "$name: 0 passed, 0 failed, 1 skipped"
    exit 0
  done
  folder=$(mktemp -d) || exit 1
  trap 'rm -rf "$folder"' EXIT
}

# Runs the program; sets out, err, status.
call() {
  "$minnow" "$@" >"$folder/out" 2>"$folder/err" <"${input:-/dev/null}"
  status=$?
  out=$(tr -d '\0' <"$folder/out")
  err=$(cat "$folder/err")
}
ok() { # condition (already evaluated: 0 is true), what
  if [ "$1" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "not ok $2 (exit $status)"
    echo "  stdout: ${out:0:600}"
    echo "  stderr: ${err:0:600}"
  fi
}
has() { [[ $1 == *"$2"* ]]; }
# A failure: this exit status, nothing on stdout, one line "minnow: ..." on stderr.
fails() { # status, what
  [ "$status" -eq "$1" ] && [ -z "$out" ] && [[ $err == "minnow: "* ]] && [ "$(wc -l <"$folder/err")" -eq 1 ]
  ok $? "$2"
}
# A part that cannot be run here: counted, and why.
skips() {
  skipped=$((skipped + 1))
  echo "skip: $1"
}
# True when a terminal of one's own can be had: not in every sandbox.
has_terminal() { python3 -c 'import os; os.openpty()' 2>/dev/null; }
field() { # JSON on stdin, a Python expression over j
  python3 -c "import json,sys; j=json.load(sys.stdin); print(($1))"
}
# The last line of a test, and its exit status.
program_sum() { # name
  echo "$1: $passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}
