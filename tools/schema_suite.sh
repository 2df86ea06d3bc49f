#!/bin/bash
# Runs the JSON Schema test suite (a folder with draft7, draft2020-12 and remotes): tools/schema_suite.sh BUILD FOLDER.
# Prints a table by file and every failure that is not in tests/schema_known.txt; exit 1 when there is one, or when a
# failure listed there passes now.
set -u
build=${1:?the build folder} folder=${2:?the folder of the suite}
known=$(dirname "$0")/../tests/schema_known.txt
[ -d "$folder/draft2020-12" ] || { echo "schema_suite: $folder has no draft2020-12" >&2; exit 2; }
results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT
for draft in 7 2020-12; do
  "$build/tests/schema_cases" $draft "$folder/remotes" "$folder/draft$draft"/*.json "$folder/draft$draft"/optional/*.json \
    "$folder/draft$draft"/optional/format/*.json | sed "s/^fail /fail $draft /; t; s/^/$draft /"
done > "$results"
awk '$1 != "fail" { printf "%-8s %-45s %5d passed %3d failed\n", $1, $2, $3, $4; p += $3; f += $4
                    if ($2 !~ /^optional/) { rp += $3; rf += $4 } }
     END { printf "required: %d passed, %d failed; all: %d passed, %d failed\n", rp, rf, p, f }' "$results"
failures=$(grep '^fail ' "$results" | sed 's/^fail //; s/ ([^()]*)$//' | sort)
listed=$(grep -v '^#' "$known" 2>/dev/null | sort)
new=$(comm -23 <(echo "$failures") <(echo "$listed") | grep .) && { echo "not known:"; echo "$new"; }
gone=$(comm -13 <(echo "$failures") <(echo "$listed") | grep .) && { echo "listed and passing:"; echo "$gone"; }
[ -z "$new$gone" ]
