#!/usr/bin/env python3
"""Writes src/regex/unicode.def: general categories and common scripts as ranges of code points.
General categories come from Python's unicodedata, scripts from Perl's copy of the Unicode database.
  tools/make_unicode.py > src/regex/unicode.def"""
import subprocess
import unicodedata

SCRIPTS = "Latin Greek Cyrillic Han Hiragana Katakana Hangul Arabic Hebrew Thai Devanagari Armenian Georgian".split()


def ranges(points):
    out = []
    for p in points:
        if out and out[-1][1] == p - 1:
            out[-1][1] = p
        else:
            out.append([p, p])
    return out


def put(macro, name, rows):
    line = ""
    lines = []
    for first, last in rows:
        item = "{0x%x, 0x%x}, " % (first, last)
        if len(line) + len(item) > 108:
            lines.append(line.rstrip())
            line = ""
        line += item
    lines.append(line.rstrip(", "))
    print("%s(%s, %d,\n  %s)" % (macro, name, len(rows), "\n  ".join(lines)))


print("/* Written by tools/make_unicode.py (Unicode %s): ranges of code points by general category and script. */"
      % unicodedata.unidata_version)
by_category = {}
for point in range(0x110000):
    if not 0xD800 <= point <= 0xDFFF:
        category = unicodedata.category(chr(point))
        if category != "Cn":
            by_category.setdefault(category, []).append(point)
for category in sorted(by_category):
    put("REGEX_CATEGORY", category, ranges(by_category[category]))
for script in SCRIPTS:
    program = ('for my $c (0..0x10ffff) { next if $c>=0xd800 && $c<=0xdfff; print "$c\\n" if chr($c)=~/\\p{Script=%s}/ }'
               % script)
    text = subprocess.run(["perl", "-e", program], check=True, capture_output=True, text=True).stdout
    put("REGEX_SCRIPT", script, ranges([int(word) for word in text.split()]))
