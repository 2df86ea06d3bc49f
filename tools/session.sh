#!/bin/bash
# Runs the session of README.md with the built packs and writes what the program prints between the marks
# there: tools/session.sh [options of minnow do, for every request]
set -u
cd "$(dirname "$0")/.." || exit 1
now=2026-11-21T21:30:00
session=$(mktemp) && readme=$(mktemp) || exit 1
trap 'rm -f "$session" "$readme"' EXIT
status=0
{
  echo '```'
  while IFS= read -r request; do
    [ "$request" = "${first:=$request}" ] || echo
    echo "\$ ./minnow do --now $now${*:+ $*} \"$request\""
    ./minnow do --now $now "$@" "$request" || status=1
  done <<'END'
wake me at 7 and text Emma good night
set a timer for the pasta
send Omar twenty five dollars for the tickets
who won the football last night
END
  echo '```'
} >"$session"
if [ "$status" -ne 0 ]; then
  echo "session.sh: a request got no answer; README.md stays as it is" >&2
  exit 1
fi
awk -v session="$session" '
  /<!-- session: end -->/ { inside = 0 }
  !inside { print }
  /<!-- session: begin -->/ { inside = 1; while ((getline line < session) > 0) print line }
' README.md >"$readme" && cat "$readme" >README.md
