#!/usr/bin/env python3
"""Writes the seeds of the fuzz target prefix: prefix_corpus.py FOLDER. The format stands in src/gen/gen.h; the cache is
that of the stand-in model in tests/fake_lm.h: the number of tokens and the tokens."""
import os
import struct
import sys


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def prefix(tokens, version=1, fingerprint=0, cache=None):
    packed = struct.pack(f"<{len(tokens)}I", *tokens)
    if cache is None:
        cache = struct.pack("<I", len(tokens)) + packed
    head = struct.pack("<8sIIQQQ", b"minnowkv", version, len(tokens), fingerprint, len(cache), fnv(packed))
    gap = -(len(head) + len(packed)) % 64
    return head + packed + bytes(gap) + cache


def main():
    seeds = {
        "whole": prefix([1, 2, 3, 4, 5, 6]),
        "longer": prefix([1, 2, 3, 4, 5, 6, 7, 8]),
        "partly": prefix([1, 2, 9]),
        "other": prefix([7]),
        "too_long": prefix(list(range(1, 200))),
        "no_tokens": prefix([]),
        "version": prefix([1, 2], version=2),
        "foreign": prefix([1, 2], fingerprint=9),
        "short_cache": prefix([1, 2, 3], cache=struct.pack("<III", 2, 1, 2)),
        "cut": prefix([1, 2, 3])[:-2],
        "kind": b"GGUF\x03\0\0\0",
    }
    for name, data in seeds.items():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(data)


main()
