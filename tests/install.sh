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
make=(make --no-print-directory BUILD="${build#"$PWD"/}")
trap '"${make[@]}" all >/dev/null; rm -rf "$folder"' EXIT # the build is for the usual PREFIX again
check "make install" "${make[@]}" PREFIX="$folder/usr" install
export PKG_CONFIG_PATH="$folder/usr/lib/pkgconfig"
# shellcheck disable=SC2046
check "hello.c with the shared library" "${CC:-cc}" -std=c11 -Wall -Wextra -Werror examples/hello.c \
  $(pkg-config --cflags --libs minnow) -o "$folder/hello"
# shellcheck disable=SC2046
check "hello.c with the static library" "${CC:-cc}" -std=c11 examples/hello.c $(pkg-config --cflags minnow) \
  "$folder/usr/lib/libminnow.a" $(pkg-config --libs jansson sqlite3) -lm -ldl -pthread -o "$folder/hello-static"
export LD_LIBRARY_PATH="$folder/usr/lib"
check "the shared hello runs and finds the installed packs" "$folder/hello"
check "the static hello runs and finds them too" "$folder/hello-static"
check "hello with a folder of packs" "$folder/hello" "$folder/usr/share/minnow/packs" "set a timer for ten minutes"
check "the installed program runs" "$folder/usr/bin/minnow" --version
check "DESTDIR is put before PREFIX" "${make[@]}" DESTDIR="$folder/dest" \
  PREFIX=/opt/minnow install
check "and minnow.pc names PREFIX" grep -qx 'prefix=/opt/minnow' "$folder/dest/opt/minnow/lib/pkgconfig/minnow.pc"
echo "install: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
