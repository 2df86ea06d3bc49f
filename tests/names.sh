#!/bin/bash
# Every function and object that a room lets others link begins with the room's name (the public ones of api
# with mn_). So no two rooms, and no library of the system, can define the same name.
set -u
cd "$(dirname "$0")/.." || exit 1
objects=${MINNOW_BUILD:-build}/obj
# One line a name: OBJECT: ADDRESS KIND NAME. An object that nothing of the source makes any more does not count.
counts=$(nm -A -g --defined-only "$objects"/*/*.o | awk -v sources="$(echo src/*/*.c)" '
  BEGIN {
    n = split(sources, list, " ")
    for (i = 1; i <= n; i++) is_source[list[i]] = 1
  }
  {
    object = $1
    sub(/:[0-9a-f]*$/, "", object)
    parts = split(object, part, "/")
    room = part[parts - 1]
    source = "src/" room "/" part[parts]
    sub(/o$/, "c", source)
    if (!(source in is_source)) next
    seen[source] = 1
    name = $NF
    if (name ~ ("^" room "_") || name ~ /^__(asan|tsan|ubsan|odr_asan|start|stop)/) next
    if ((room == "api" && name ~ /^mn_/) || (room == "cli" && name == "main")) next
    found[source] = found[source] " " name
  }
  END {
    for (source in seen) passed += !(source in found)
    for (source in found) { failed++; print "not ok " source " lets others see:" found[source] }
    print passed + 0, failed + 0
  }')
read -r passed failed <<<"$(tail -n 1 <<<"$counts")"
grep '^not ok' <<<"$counts"
echo "names: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
