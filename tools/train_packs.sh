#!/bin/bash
# Trains packs from packs/trunk.gguf: tools/train_packs.sh [NAME...], all of them without a name. One thread each, as many at
# once as there are processors: that is faster than many threads on one, and gives the same bytes.
set -u
cd "$(dirname "$0")/.." || exit 1
if [ ! -x ./minnow ]; then
  echo "train_packs.sh: there is no ./minnow; run make first" >&2
  exit 2
fi
if [ $# -eq 0 ]; then # the gate has by far the most rows: it goes first
  set -- gate
  for folder in packs/*/pack.json; do
    name=$(basename "$(dirname "$folder")")
    [ "$name" = gate ] || set -- "$@" "$name"
  done
  set -- "$@" guard
fi
mkdir -p build/train
started=$SECONDS
printf '%s\n' "$@" | xargs -P "$(nproc)" -I NAME sh -c '
  if ./minnow train packs/NAME --threads 1 >build/train/NAME.log 2>&1; then
    echo "NAME: $(grep -E "^(int8|calibration)" build/train/NAME.log | tr -s " " | paste -sd";")"
  else
    echo "NAME: failed"; tail -n 3 build/train/NAME.log; exit 255
  fi' || exit 1
echo "$# packs in $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
