#!/bin/bash
# The cloud client over the real HTTP library, against a service that fails in every way it can (cloud_double.py).
set -u
cd "$(dirname "$0")/.." || exit 1
cases=${MINNOW_BUILD:-build}/tests/cloud_cases
folder=$(mktemp -d)
children=''
trap 'kill $children 2>/dev/null; rm -rf "$folder"' EXIT
if [ ! -x "$cases" ] || ! command -v python3 >/dev/null || ! command -v openssl >/dev/null; then
  echo "skip: cloud needs $cases, python3 and openssl"
  echo "cloud: 0 passed, 0 failed, 1 skipped"
  exit 0
fi
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
mkdir "$folder/plain" "$folder/tls"
python3 tests/cloud_double.py "$folder/plain" &
children=$!
python3 tests/cloud_double.py "$folder/tls" --tls "$folder/cert.pem" "$folder/key.pem" &
children="$children $!"
for _ in $(seq 200); do
  [ -f "$folder/plain/port" ] && [ -f "$folder/tls/port" ] && break
  sleep 0.05
done
"$cases" "$(cat "$folder/plain/port")" "$(cat "$folder/tls/port")" "$folder/cert.pem"
