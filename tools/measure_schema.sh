#!/bin/bash
# What the validator and masks reach on data that is not part of the repository: tools/measure_schema.sh BUILD DATA.
# The official suite (failures that are not in tests/schema_known.txt stop it), JSON texts, MaskBench through masks and,
# the verdicts of Python's jsonschema beside ours (those that are not in tests/schema_judged.txt stop it); where PYTHON has not
# all of that package a virtual environment in BUILD gets it. DATA holds schema/suite, schema/maskbench.dev.jsonl,
# json/test_parsing, tok/llama3_tiktoken.model. Figures go into tests/quality.csv.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:?the build folder} data=${2:?the folder of the data sets} status=0
python=${PYTHON:-python3}
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
# jsonschema with the formats that it needs other packages for
judges() {
  "$1" - 2>/dev/null <<'END'
import jsonschema
need = {"date-time", "duration", "hostname", "idn-hostname", "iri", "json-pointer", "uri", "uri-template"}
raise SystemExit(0 if need <= set(jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers) else 1)
END
}
find_judge() {
  judges "$python" && judge=$python && return
  judge=$build/venv/bin/python
  judges "$judge" && return
  "$python" -m venv "$build/venv" && "$judge" -m pip install -q 'jsonschema[format-nongpl]' && judges "$judge"
}
record() { "$python" tools/quality.py "$1" "$2" tools/measure_schema.sh; } # set, split; figures on stdin

echo "== official suite"
tools/schema_suite.sh "$build" "$data/schema/suite" | tee "$out"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
awk '/^required:/ { printf "{\"required_passed\":%d,\"required_failed\":%d,\"passed\":%d,\"failed\":%d}\n", $2, $4, $7, $9 }' "$out" |
  record schema/suite "drafts 7 and 2020-12, optional and format included"

echo "== JSON texts"
tools/json_suite.sh "$build" "$data/json/test_parsing" | tee "$out"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
sed -n 's/^json_suite: y_ \([0-9]*\), n_ \([0-9]*\), wrong \([0-9]*\);.*accepted \([0-9]*\), refused \([0-9]*\)$/{"accept":\1,"refuse":\2,"wrong":\3,"either_accepted":\4,"either_refused":\5}/p' "$out" |
  record json/test_parsing "all files"

echo "== MaskBench through masks"
"$build/minnow" schema bench "$data/schema/maskbench.dev.jsonl" --tokenizer "$data/tok/llama3_tiktoken.model" --json | tee "$out"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
# counts alone: times belong to a quiet machine, and masks are held against commits with --check alone
"$python" -c 'import json, sys; print(json.dumps({k: v for k, v in json.load(sys.stdin).items() if not k.endswith("_us") and k != "disagreements"}))' < "$out" |
  record schema/maskbench "dev rows, Llama 3's vocabulary"

echo "== MaskBench beside Python's jsonschema"
if find_judge; then
  "$judge" tools/compare_schema.py "$build/tests/maskbench_cases" "$data/schema/maskbench.dev.jsonl" --judged tests/schema_judged.txt | tee "$out"
  [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
  tail -n 1 "$out" | record schema/maskbench "dev rows, verdicts beside jsonschema"
else
  echo "left out: no Python with the packages of jsonschema[format-nongpl] (PYTHON=... says which has them)"
fi
exit $status
