#!/usr/bin/env python3
"""Writes src/tok/unicode_table.h: the general category of every character as the pre-split rules need it, and the
folding that uncased WordPiece vocabularies apply (NFD, without nonspacing marks, lower case).

Needs the package unicodedata2, so that the version of Unicode is not that of the interpreter:
  tools/unicode_tables.py > src/tok/unicode_table.h
"""
import unicodedata2 as u

CLASSES = ["OTHER", "UPPER", "LOWER", "TITLE", "MODIFIER", "LETTER", "NONSPACING", "MARK", "NUMBER",
           "PUNCTUATION", "SYMBOL", "SPACE"]
OF = {"Lu": 1, "Ll": 2, "Lt": 3, "Lm": 4, "Lo": 5, "Mn": 6, "Mc": 7, "Me": 7}
SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def class_of(c):
    if c in SPACES:
        return 11
    category = u.category(chr(c))
    return OF.get(category) or {"N": 8, "P": 9, "S": 10}.get(category[0], 0)


def fold(c):
    text = "".join(x for x in u.normalize("NFD", chr(c)) if u.category(x) != "Mn")
    return [ord(x) for x in text.lower()]


def rows(items, per_line):
    for i in range(0, len(items), per_line):
        print("    " + ", ".join(items[i:i + per_line]) + ",")


def main():
    starts, last = [], None
    for c in range(0x110000):
        k = 0 if 0xD800 <= c < 0xE000 else class_of(c)
        if k != last:
            starts.append(c << 4 | k)
            last = k
    single, several = [], []
    for c in range(0x80, 0x110000):
        if 0xD800 <= c < 0xE000 or 0xAC00 <= c <= 0xD7A3 or class_of(c) == 6:
            continue
        to = fold(c)
        if to == [c]:
            continue
        if len(to) == 1:
            single.append((c, to[0]))
        else:
            assert len(to) <= 3, hex(c)
            several.append((c, to))
    runs = []  # [first, last, step, delta]
    for c, to in single:
        r = runs[-1] if runs else None
        if r and to - c == r[3] and c - r[1] in (1, 2) and r[2] in (0, c - r[1]):
            r[1], r[2] = c, c - r[1]
        else:
            runs.append([c, c, 0, to - c])
    print("/* tok/unicode_table: made by tools/unicode_tables.py from Unicode %s; not edited by hand. */" % u.unidata_version)
    print("#ifndef TOK_UNICODE_TABLE_H\n#define TOK_UNICODE_TABLE_H\n\n#include <stdint.h>\n")
    print("/* A class begins at each entry >> 4 and lasts to the next; entry & 15 is the class:")
    names = ["%d %s" % (i, n.lower()) for i, n in enumerate(CLASSES)]
    print(" * " + ", ".join(names[:8]) + ",\n * " + ", ".join(names[8:]) + ". */")
    print("static const uint32_t tok_class_start[] = {")
    rows(["0x%X" % s for s in starts], 11)
    print("};\n\n/* Characters first, first + step, ... last fold to themselves + delta. */")
    print("static const struct {\n  uint32_t first, last;\n  int32_t step, delta;\n} tok_fold_run[] = {")
    rows(["{0x%X, 0x%X, %d, %d}" % (a, b, s or 1, d) for a, b, s, d in runs], 3)
    print("};\n\n/* Those that fold to none or to several characters (0: no more). */")
    print("static const struct {\n  uint32_t from, to[3];\n} tok_fold_several[] = {")
    rows(["{0x%X, {%s}}" % (c, ", ".join("0x%X" % t for t in to + [0] * (3 - len(to)))) for c, to in several], 2)
    print("};\n\n#endif")


main()
