#!/bin/sh
# Installs what is missing for a target (run, test, asan, fuzz, bench, arm) through apt-get, saying what and why.
# Quick and silent when nothing is missing. On another system: one sentence naming what is missing.
set -u
target=${1:-run}
missing='' # Debian packages
reasons=''

need() { # package, reason; after a failed check
  missing="$missing $1"
  reasons="$reasons
  $1: $2"
}
have() { command -v "$1" >/dev/null 2>&1; }
compiles() { # a header is there for this compiler
  printf '#include <%s>\n' "$2" | "$1" -E - >/dev/null 2>&1
}

if ! have "${CC:-cc}"; then
  need gcc 'the C compiler'
  need libc6-dev 'headers of the C library'
elif ! compiles "${CC:-cc}" stdio.h; then
  need libc6-dev 'headers of the C library'
fi
have ar || need binutils 'ar, which makes the static library'
have pkg-config || need pkg-config 'finds libraries'
if ! have pkg-config || ! pkg-config --exists jansson 2>/dev/null; then
  need libjansson-dev 'JSON: manifests, schemas, results'
fi
if ! have pkg-config || ! pkg-config --exists libcurl 2>/dev/null; then
  need libcurl4-openssl-dev 'HTTP: questions that the device hands to a cloud service'
fi
if ! have pkg-config || ! pkg-config --exists sqlite3 2>/dev/null; then
  need libsqlite3-dev 'the ledger: decisions, budgets, deferred requests'
fi
case $target in
  test | bench)
    have python3 || need python3 'some tests compare against Python'
    have openssl || need openssl 'a certificate for the test of certificates'
    ;;
  fuzz)
    have clang || need clang 'the compiler with libFuzzer'
    ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 ||
      need libclang-rt-dev 'libFuzzer and the sanitizers'
    ;;
  arm)
    have aarch64-linux-gnu-gcc || need gcc-aarch64-linux-gnu 'the compiler for 64-bit ARM'
    [ -f /usr/aarch64-linux-gnu/include/stdio.h ] || need libc6-dev-arm64-cross 'the C library for 64-bit ARM'
    have qemu-aarch64-static || need qemu-user-static 'runs programs for 64-bit ARM here'
    [ -f /usr/lib/aarch64-linux-gnu/libjansson.a ] || need libjansson-dev:arm64 'JSON for 64-bit ARM'
    [ -f /usr/include/aarch64-linux-gnu/curl/curl.h ] || need libcurl4-openssl-dev:arm64 'HTTP for 64-bit ARM'
    [ -f /usr/lib/aarch64-linux-gnu/libsqlite3.a ] || need libsqlite3-dev:arm64 'the ledger for 64-bit ARM'
    ;;
esac
[ -n "$missing" ] || exit 0

if ! have apt-get; then
  echo "minnow: missing on this system (by Debian's names):$missing; install them with its package manager." >&2
  exit 1
fi
sudo=''
if [ "$(id -u)" -ne 0 ]; then
  if ! have sudo; then
    echo "minnow: these packages are missing and there is no sudo: as root, run apt-get install$missing" >&2
    exit 1
  fi
  sudo=sudo
fi
echo "minnow: installing through apt-get${sudo:+ with sudo}:$reasons"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
case $missing in
  *:arm64*) $sudo dpkg --add-architecture arm64 >>"$log" 2>&1 ;;
esac
# shellcheck disable=SC2086
if ! $sudo apt-get update -qq >>"$log" 2>&1 ||
  ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >>"$log" 2>&1; then
  cat "$log" >&2
  echo "minnow: apt-get could not install$missing; what it said is above." >&2
  exit 1
fi
