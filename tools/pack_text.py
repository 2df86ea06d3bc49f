#!/usr/bin/env python3
"""The packs' sentences as plain lines, for pretraining a trunk: tools/pack_text.py [PACKS_FOLDER] >TEXT

Every training sentence comes three times, as written and twice with other values of its lists in it, and
every near miss twice. A gate has no sentences of its own and gives nothing. The same sources give the same
lines: the order is the files', the values are drawn from a generator with a fixed seed."""
import os
import random
import re
import sys

SEED, VARIANTS, NEAR_MISSES = 5, 3, 2
SPAN = re.compile(r"\{(\w+)(?:@([\w-]+))?([:=])([^}]*)\}")
HEADING = re.compile(r"^\[([\w-]+)\]$")


def source_lines(path):
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if line and not line.startswith("#"):
                yield line


def read_values(path):
    lists, values = {}, None
    for line in source_lines(path):
        heading = HEADING.match(line)
        if heading:
            values = lists.setdefault(heading.group(1), [])
        elif values is not None:
            values.append(line)
    return lists


def vary(line, lists, rng):
    """The line's text with every span that may be swapped given another value."""
    def swap(span):
        slot, named, kind, value = span.groups()
        values = lists.get(named or slot)
        return value if kind == "=" or not values else rng.choice(values)
    return SPAN.sub(swap, line)


def main():
    packs = sys.argv[1] if len(sys.argv) > 1 else "packs"
    rng = random.Random(SEED)
    for folder in sorted(os.path.join(packs, name, "") for name in os.listdir(packs)):
        if not os.path.exists(folder + "sentences.txt"):
            continue
        lists = read_values(folder + "values.txt")
        for line in source_lines(folder + "sentences.txt"):
            if HEADING.match(line):
                continue
            print(SPAN.sub(lambda span: span.group(4), line))
            for _ in range(VARIANTS - 1):
                print(vary(line, lists, rng))
        for line in source_lines(folder + "negatives.txt"):
            for _ in range(NEAR_MISSES):
                print(line)


if __name__ == "__main__":
    main()
