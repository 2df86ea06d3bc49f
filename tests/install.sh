#!/bin/bash
# Installs into a fresh folder and builds examples/hello.c against it with pkg-config, shared and static.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${MINNOW_BUILD:-$PWD/build}
skip() {
  echo "skip: $1"
  echo "install: 0 passed, 0 failed, 1 skipped"
  exit 0
}
[ -e examples/hello.c ] && [ -e include/minnow.h ] || skip "there is no examples/hello.c or no include/minnow.h"
[ -x "$build/minnow" ] || skip "there is no program in $build"
grep -aqE '__(asan|tsan)_init' "$build/libminnow.so" && skip "the installed library is the plain one"
passed=0 failed=0
check() { # what, command...
  local what=$1
  shift
  if "$@" >"$folder/log" 2>&1; then
    passed=$((passed + 1))
  else
    echo "not ok $what"
    cat "$folder/log"
    failed=$((failed + 1))
  fi
}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
check "make install" make --no-print-directory BUILD="${build#"$PWD"/}" PREFIX="$folder/usr" install
export PKG_CONFIG_PATH="$folder/usr/lib/pkgconfig"
# shellcheck disable=SC2046
check "hello.c with the shared library" "${CC:-cc}" -std=c11 -Wall -Wextra -Werror examples/hello.c \
  $(pkg-config --cflags --libs minnow) -o "$folder/hello"
# shellcheck disable=SC2046
check "hello.c with the static library" "${CC:-cc}" -std=c11 examples/hello.c $(pkg-config --cflags minnow) \
  "$folder/usr/lib/libminnow.a" $(pkg-config --static --libs-only-l minnow | sed 's/-lminnow//') -pthread \
  -o "$folder/hello-static"
export LD_LIBRARY_PATH="$folder/usr/lib"
packs=$folder/usr/share/minnow/packs
if [ ! -e "$packs/gate.gguf" ]; then # none are built here: the tests' own
  packs=$folder/tiny
  mkdir "$packs"
  check "tiny packs are trained" "$build/tests/tiny_cases" "$packs"
fi
check "the shared hello runs" env "$folder/hello" "$packs"
check "the static hello runs" env "$folder/hello-static" "$packs"
check "the installed program runs" "$folder/usr/bin/minnow" --version
check "DESTDIR is put before PREFIX" make --no-print-directory BUILD="${build#"$PWD"/}" DESTDIR="$folder/dest" \
  PREFIX=/opt/minnow install
check "and minnow.pc names PREFIX" grep -qx 'prefix=/opt/minnow' "$folder/dest/opt/minnow/lib/pkgconfig/minnow.pc"
echo "install: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
