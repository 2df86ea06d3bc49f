#!/bin/bash
# Checks the JSON reader on a folder of files in the manner of JSONTestSuite: y_* has to be accepted, n_* refused, i_*
# may be either and is listed. tools/json_suite.sh BUILD FOLDER; exit 1 when a y_ or n_ file is judged wrongly.
set -u
build=${1:?the build folder} folder=${2:?the folder of files}
[ -n "$(ls "$folder"/y_* 2>/dev/null)" ] || { echo "json_suite: $folder holds no y_ files" >&2; exit 2; }
"$build/tests/json_cases" "$folder"/* | awk -v width=$((${#folder} + 1)) '
  { name = substr($2, width + 1); sub(/:$/, "", name); kind = substr(name, 1, 2); seen[kind]++
    wrong = (kind == "y_" && $1 != "accepted") || (kind == "n_" && $1 != "refused") || $1 == "unread"
    if (wrong) { print "WRONG " $0; bad++ } else if (kind == "i_") taken[$1]++ }
  END { printf "json_suite: y_ %d, n_ %d, wrong %d; i_ %d: accepted %d, refused %d\n", seen["y_"], seen["n_"], bad,
          seen["i_"], taken["accepted"], taken["refused"]; exit bad > 0 }'
