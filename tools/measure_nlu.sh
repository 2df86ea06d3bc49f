#!/bin/bash
# Trains on each labelled set and judges on its held-out rows; the figures go to tests/quality.csv.
#   DATA=DIR tools/measure_nlu.sh [snips] [clinc150] [home] [home.more]
# DATA   the folder with snips.train.jsonl, clinc150.{train,val,oos_train,oos_val}.jsonl, home.train.jsonl,
#        rows as minnow train --nlu takes them, made of sonos/nlu-benchmark (2017-06), clinc/oos-eval and
#        xliuhw/NLU-Evaluation-Data; for home.more slurp.devel.jsonl (pswietojanski/slurp), from which home learns as well
# TRAIN  more options for minnow train ("--trunk FILE --epochs N")
# A file that was trained already (build/nlu/SET.gguf) is trained again only when FRESH=1.
set -u
cd "$(dirname "$0")/.." || exit 1
if [ -z "${DATA:-}" ] || [ ! -d "$DATA" ]; then
  echo "measure_nlu.sh: set DATA to the folder with the labelled sets; see the top of this file" >&2
  exit 2
fi
if [ ! -x ./minnow ]; then
  echo "measure_nlu.sh: there is no ./minnow; run make first" >&2
  exit 2
fi
[ $# -gt 0 ] || set -- snips clinc150 home
out=build/nlu
status=0
for name in "$@"; do
  held=${name%.more} # whose rows calibrate and judge
  python3 tools/split_nlu.py "$DATA" $out "$held" || exit 1
  oos_train='' oos_test='' split='train, crc32(text) % 10 == 0'
  [ "$name" = snips ] && split='train, crc32(text) % 20 == 0'
  if [ "$name" = clinc150 ]; then
    oos_train="--oos $out/$name.oos_train.jsonl"
    oos_test="--oos $out/$name.oos_test.jsonl"
    split='val and oos_val, crc32(text) % 2 == 0'
  fi
  rows=$out/$name.train.jsonl
  [ "$held" = "$name" ] || rows=$out/$name.jsonl
  # shellcheck disable=SC2086
  if [ ! -e "$out/$name.gguf" ] || [ "${FRESH:-0}" = 1 ]; then
    ./minnow train --nlu "$rows" --valid "$out/$held.valid.jsonl" $oos_train \
      -o "$out/$name.gguf" ${TRAIN:-} || { status=1; continue; }
  fi
  # shellcheck disable=SC2086
  if figures=$(./minnow eval "$out/$name.gguf" --data "$out/$held.test.jsonl" $oos_test --json); then
    echo "$figures"
    # paths of this machine say nothing to others
    command="tools/measure_nlu.sh $name$(sed -E 's#/[^ ]*/##g; s#(.+)# (TRAIN=\1)#' <<<"${TRAIN:-}")"
    bytes=$(stat -c %s "$out/$name.gguf")
    echo "{\"bytes\":$bytes}" | python3 tools/quality.py "$name" "$split" "$command"
    echo "$figures" | python3 tools/quality.py "$name" "$split" "$command" || status=1
  else
    status=1
  fi
done
exit $status
