#!/bin/bash
# Holds the source to src/LAYERS: a room includes only rooms it is allowed, of another room only the front
# header x/x.h, no cycles can arise (a room names only rooms above its own line), every folder is listed, and
# no room is allowed one that it uses no name of. Only api and cli see include/minnow.h.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0
bad() {
  echo "not ok $*"
  failed=$((failed + 1))
}

declare -A allowed
while IFS=: read -r room rooms; do
  [[ $room =~ ^#|^$ ]] && continue
  for used in $rooms; do
    [ -n "${allowed[$used]+x}" ] || bad "src/LAYERS: $room uses $used, which is not listed before it"
  done
  allowed[$room]=" $rooms "
done <src/LAYERS

for folder in src/*/; do
  room=${folder#src/} room=${room%/}
  if [ -z "${allowed[$room]+x}" ]; then
    bad "src/$room is missing in src/LAYERS"
    continue
  fi
  passed=$((passed + 1))
  prefixes=" $(grep -ohE '\b[A-Za-z0-9]+_' "$folder"*.[ch] | tr '[:upper:]' '[:lower:]' | sort -u | tr '\n' ' ')"
  for used in ${allowed[$room]}; do
    [[ $prefixes == *" ${used}_ "* ]] || bad "src/LAYERS: $room is allowed $used and uses no name of it"
  done
done

check_include() { # file, line, included
  local room=${1#src/} other
  room=${room%%/*}
  if [ "$3" = minnow.h ]; then
    case $room in api | cli) return 0 ;; esac
    bad "$1:$2: only api and cli include minnow.h"
    return 1
  fi
  other=${3%%/*}
  if [ "$other" = "$3" ]; then
    bad "$1:$2: \"$3\" is not named from src/"
    return 1
  fi
  [ "$other" = "$room" ] && return 0
  if [[ "${allowed[$room]-}" != *" $other "* ]]; then
    bad "$1:$2: src/LAYERS does not let $room use $other"
    return 1
  fi
  if [ "$3" != "$other/$other.h" ]; then
    bad "$1:$2: \"$3\" is private to $other; include \"$other/$other.h\""
    return 1
  fi
}

while IFS=: read -r file line text; do
  included=${text#*\"}
  check_include "$file" "$line" "${included%%\"*}" && passed=$((passed + 1))
done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src/*/*.c src/*/*.h src/*/*.def /dev/null 2>/dev/null)

echo "layers: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
