#!/bin/bash
# No unbounded string functions, no hidden state, no way out of the process in the libraries, no goto but to `done`.
# Comments and string literals are taken away before looking.
set -u
cd "$(dirname "$0")/.." || exit 1
everywhere='strcpy|strcat|stpcpy|strncpy|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|rand|srand|random'
everywhere="$everywhere|alloca|tmpnam|mktemp|asctime|ctime|localtime|gmtime|strerror|setjmp|longjmp|system"
everywhere="$everywhere|scanf|sscanf|fscanf|vscanf|vsscanf|vfscanf"
libraries='printf|fprintf|puts|putchar|fputs|perror|exit|_exit|abort|getenv|setenv|setlocale|malloc|calloc|realloc'

# Comments and strings are taken away, lines are kept; what is left calls none of the functions of its room. Which list
# counts goes by the file: the program may print and exit, base/memory.c holds the allocator of the C library.
awk -v everywhere="$everywhere" -v libraries="$libraries" '
  FNR == 1 {
    files++
    inside = 0
    names = FILENAME ~ /^src\/cli\// ? everywhere : FILENAME == "src/base/memory.c" ? everywhere "|printf|exit|abort|getenv" \
      : everywhere "|" libraries
    call = "(^|[^A-Za-z0-9_.>])(" names ")[ \t]*[(]"
  }
  {
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
    wrong = out ~ call ? " calls a banned function: " : out ~ /(^|[^A-Za-z0-9_])goto / && out !~ /goto done;/ ? " has a goto: " : ""
    if (wrong != "") {
      print "not ok " FILENAME ":" FNR wrong out
      if (!(FILENAME in bad)) { bad[FILENAME]; failed++ }
    }
  }
  END {
    print "banned: " files - failed " passed, " failed + 0 " failed, 0 skipped"
    exit failed > 0
  }' src/*/*.[ch] include/*.h
