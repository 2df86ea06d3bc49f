#!/usr/bin/env python3
"""Holds the validator's verdicts on MaskBench's rows against those of Python's jsonschema (with its format checkers).

usage: compare_schema.py MASKBENCH_CASES ROWS.jsonl [--judged FILE] [--limit N]

Prints a table of agreement and each disagreement: row, test, ours, theirs, the row's label. Disagreements that stand in
FILE (tests/schema_judged.txt: row, test, who is right, why) are counted as judged; exit 1 when there are others.
Needs the package jsonschema[format-nongpl]."""
import argparse
import collections
import json
import signal
import subprocess
import sys
import warnings

import jsonschema
from jsonschema.validators import validator_for

SECONDS = 20  # for one row


class TooSlow(Exception):
    pass


def stop(_number, _frame):
    raise TooSlow()


def ours(program, file):
    """row name -> None when refused, else the tests whose verdict is not their label."""
    out = subprocess.run([program, file], capture_output=True, text=True, check=False).stdout
    refused, differs = {}, collections.defaultdict(set)
    for line in out.splitlines():
        words = line.split(" ", 3)
        if words[0] == "refused":
            refused[words[1]] = line
        elif words[0] == "differs":
            differs[words[1]].add(int(words[2]))
    return refused, differs


def theirs(row):
    """The verdicts of a row's tests; a text when the schema cannot be used."""
    schema = row["schema"]
    signal.alarm(SECONDS)
    try:
        kind = validator_for(schema, default=jsonschema.Draft202012Validator)
        validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
        return [validator.is_valid(test["data"]) for test in row["tests"]]
    except TooSlow:
        return "too slow"
    except RecursionError:
        return "recursion"
    except Exception as e:  # whatever a schema makes it raise
        return type(e).__name__
    finally:
        signal.alarm(0)


def read_judged(path):
    judged = {}
    if path:
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    name, test, who, why = line.rstrip("\n").split("\t", 3)
                    judged[name, int(test)] = (who, why)
    return judged


def compare(args):
    refused, differs = ours(args.program, args.rows)
    judged = read_judged(args.judged)
    table, unknown, right = collections.Counter(), 0, collections.Counter()
    with open(args.rows, encoding="utf-8") as f:
        for number, line in enumerate(f):
            if args.limit and number == args.limit:
                break
            row = json.loads(line)
            name, labels = row["name"], [t["valid"] for t in row["tests"]]
            verdicts = theirs(row)
            table["rows"] += 1
            if name in refused or isinstance(verdicts, str):
                reason = "refused here" if name in refused else ""
                reason += (" and " if reason and isinstance(verdicts, str) else "") + (f"{verdicts} there" if isinstance(verdicts, str) else "")
                table[f"rows: {reason}"] += 1
                continue
            for i, label in enumerate(labels):
                mine = label != (i in differs[name])
                table["agree" if mine == verdicts[i] else "disagree"] += 1
                if mine == verdicts[i]:
                    continue
                who, _why = judged.get((name, i), ("?", ""))
                right[who] += 1
                if who == "?":
                    unknown += 1
                    print(f"{name}\t{i}\tours {'valid' if mine else 'invalid'}, label {'valid' if label else 'invalid'}")
    for key, count in sorted(table.items()):
        print(f"{count:7d} {key}")
    for who, count in sorted(right.items()):
        print(f"{count:7d} disagreements, right: {who}")
    print(json.dumps({"rows": table["rows"], "agree": table["agree"], "disagree": table["disagree"], "not_judged": unknown}))
    return 1 if unknown else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("rows")
    parser.add_argument("--judged")
    parser.add_argument("--limit", type=int, default=0)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, stop)
    sys.setrecursionlimit(20000)
    return compare(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
