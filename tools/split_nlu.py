#!/usr/bin/env python3
"""Splits the labelled sets into rows to train on, to calibrate on (valid) and to judge on (test).

usage: split_nlu.py DATA_DIR OUT_DIR [snips] [clinc150] [home]

snips      crc32(text) % 20: 0 test, 1 valid, others train
home       crc32(text) % 10: 0 test, 1 valid, others train; to these, in home.more.jsonl, the rows of slurp.devel.jsonl if
           DATA_DIR has it: requests to the same kind of assistant under the same names. Of those none is taken that test
           has, nor one that shares four fifths of its words with a row of test
clinc150   its train file trains; its val and oos_val files are halved by crc32(text) % 2: 0 test, 1 valid. Out of scope in
           training are its 100 oos_train rows, four times, and the rows of the home set whose intents CLINC150 lacks
Writes OUT_DIR/SET.{train,valid,test}.jsonl and, for clinc150, .oos_train and .oos_test; rows out of scope
that calibrate lie in .valid under their label. The same every time; equal texts fall on the same side."""
import json
import os
import re
import sys
import zlib


# intents of the home set that none of CLINC150's 150 covers
NOT_IN_CLINC = set(
    "qa_factoid qa_stock news_query social_post social_query recommendation_events recommendation_movies play_podcasts "
    "play_audiobook play_radio play_game email_query email_sendemail email_addcontact email_querycontact music_likeness "
    "iot_coffee".split())


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line.strip()]
    return [(line, zlib.crc32(json.loads(line)["text"].encode())) for line in lines]


def write(folder, name, rows):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line, _ in rows)
    print(f"{name}: {len(rows)} rows")


def by_remainder(data, out, name, divisor):
    rows = read(data, f"{name}.train.jsonl")
    write(out, f"{name}.test.jsonl", [r for r in rows if r[1] % divisor == 0])
    write(out, f"{name}.valid.jsonl", [r for r in rows if r[1] % divisor == 1])
    write(out, f"{name}.train.jsonl", [r for r in rows if r[1] % divisor > 1])


def clinc(data, out):
    val, oos = read(data, "clinc150.val.jsonl"), read(data, "clinc150.oos_val.jsonl")
    write(out, "clinc150.train.jsonl", read(data, "clinc150.train.jsonl"))
    elsewhere = [r for r in read(data, "home.train.jsonl") if json.loads(r[0])["intent"] in NOT_IN_CLINC]
    write(out, "clinc150.oos_train.jsonl", read(data, "clinc150.oos_train.jsonl") * 4 + elsewhere)
    write(out, "clinc150.valid.jsonl", [r for r in val + oos if r[1] % 2 == 1])
    write(out, "clinc150.test.jsonl", [r for r in val if r[1] % 2 == 0])
    write(out, "clinc150.oos_test.jsonl", [r for r in oos if r[1] % 2 == 0])


def words(text):
    return frozenset(re.findall(r"[a-z0-9']+", text.lower()))


def is_near(a, b):
    return len(a & b) >= 0.8 * len(a | b)


def home(data, out):
    by_remainder(data, out, "home", 10)
    if not os.path.exists(os.path.join(data, "slurp.devel.jsonl")):
        return
    train, test = read(out, "home.train.jsonl"), [words(json.loads(r[0])["text"]) for r in read(out, "home.test.jsonl")]
    rows = [json.loads(r[0]) for r in train]
    intents, slots = {r["intent"] for r in rows}, {s[2] for r in rows for s in r["spans"]}
    more = []
    for line in read(data, "slurp.devel.jsonl"):
        row = json.loads(line[0])
        known = row["intent"] in intents and all(s[2] in slots for s in row["spans"])
        if known and not any(is_near(words(row["text"]), t) for t in test):
            more.append(line)
    write(out, "home.more.jsonl", train + more)


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    data, out, names = sys.argv[1], sys.argv[2], sys.argv[3:] or ["snips", "clinc150", "home"]
    os.makedirs(out, exist_ok=True)
    for name in names:
        if name == "clinc150":
            clinc(data, out)
        elif name == "snips":
            by_remainder(data, out, name, 20)
        elif name == "home":
            home(data, out)
        else:
            print(f"split_nlu.py: unknown set {name}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
