#!/bin/bash
# No unbounded string functions, no hidden state, no way out of the process in the libraries. Comments and
# string literals are taken away before looking.
set -u
cd "$(dirname "$0")/.." || exit 1
everywhere='strcpy|strcat|stpcpy|strncpy|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|rand|srand|random'
everywhere="$everywhere|alloca|tmpnam|mktemp|asctime|ctime|localtime|gmtime|strerror|setjmp|longjmp|system"
everywhere="$everywhere|scanf|sscanf|fscanf|vscanf|vsscanf|vfscanf"
libraries='printf|fprintf|puts|putchar|fputs|perror|exit|_exit|abort|getenv|setenv|setlocale|malloc|calloc|realloc'
passed=0 failed=0

# Code only, line numbers kept.
strip() {
  awk '{
    out = ""; line = $0
    while (length(line) > 0) {
      if (inside) {
        at = index(line, "*/")
        if (at == 0) break
        line = substr(line, at + 2); inside = 0
      } else if (match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047/)) {
        token = substr(line, RSTART, 2)
        out = out substr(line, 1, RSTART - 1)
        if (token == "//") break
        if (token == "/*") { inside = 1; line = substr(line, RSTART + 2) }
        else { out = out "\"\""; line = substr(line, RSTART + RLENGTH) }
      } else { out = out line; break }
    }
    print out
  }' "$1"
}

check() { # file, functions
  local found
  found=$(strip "$1" | grep -nE "(^|[^A-Za-z0-9_.>])($2)[[:space:]]*\(")
  if [ -n "$found" ]; then
    echo "not ok $1 calls a banned function:"
    echo "$found"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
}

for file in src/*/*.c src/*/*.h include/*.h; do
  [ -e "$file" ] || continue
  case $file in
    src/cli/*) check "$file" "$everywhere" ;;
    src/base/memory.c) check "$file" "$everywhere|printf|exit|abort|getenv" ;; # the libc allocator lives here
    *) check "$file" "$everywhere|$libraries" ;;
  esac
done
echo "banned: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
