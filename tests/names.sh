#!/bin/bash
# Every function and object that a room lets others link begins with the room's name (the public ones of api
# with mn_). So no two rooms, and no library of the system, can define the same name.
set -u
cd "$(dirname "$0")/.." || exit 1
objects=${MINNOW_BUILD:-build}/obj
passed=0 failed=0
for object in "$objects"/*/*.o; do
  [ -e "$object" ] || continue
  room=$(basename "$(dirname "$object")")
  # a source that was taken away may have left its object
  [ -e "src/$room/$(basename "$object" .o).c" ] || continue
  found=$(nm -g --defined-only "$object" | awk -v room="$room" '
    NF != 3 || $3 ~ ("^" room "_") { next }
    $3 ~ /^__(asan|tsan|ubsan|odr_asan|start|stop)/ { next }
    room == "api" && $3 ~ /^mn_/ { next }
    room == "cli" && $3 == "main" { next }
    { print $3 }')
  if [ -n "$found" ]; then
    echo "not ok src/$room/$(basename "$object" .o).c lets others see: $(echo $found)"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
done
echo "names: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
