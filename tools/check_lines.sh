#!/bin/bash
# Lines of code that can be read: at most 120 columns in src/ and include/, lists of words and tables of data aside, no tabs, no
# blanks at the end of a line; files of at most 900 lines but for tables that a tool writes.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C # a character is its first byte: the others are taken away
passed=0 failed=0
for file in src/*/*.[ch] include/*.h; do
  found=$(awk -v limit=120 '
    function columns(line) { line = $0; gsub(/[\200-\277]/, "", line); return length(line) }
    columns() > limit { print FILENAME ":" FNR ": " columns() " columns" }
    /\t/ { print FILENAME ":" FNR ": a tab" }
    /[ \t]$/ { print FILENAME ":" FNR ": blanks at the end" }
    FNR == 1 { made = /not edited by hand/ }
    END { if (FNR > 900 && !made) print FILENAME ": " FNR " lines" }' "$file")
  if [ -n "$found" ]; then
    echo "not ok $found"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
done
echo "lines: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
