#!/usr/bin/env python3
"""Keeps tests/quality.csv: one row a figure, with the machine, the date and the command that gave it.

usage: quality.py SET SPLIT COMMAND < FIGURES.json      the numbers of one JSON object become rows

A row for the same machine, command, set, split and metric is replaced where it stands, so that a change
shows as a diff; others are added at the end."""
import csv
import datetime
import json
import os
import platform
import sys

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "quality.csv")
COLUMNS = ["date", "machine", "command", "set", "split", "metric", "value"]


def machine():
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "")
    except OSError:
        pass
    return f"{model or platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"


def shown(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def record(data_set, split, command, figures, path=FILE):
    """figures: metric -> number."""
    rows = []
    if os.path.exists(path):
        with open(path, newline="", encoding="utf-8") as f:
            rows = [row for row in csv.reader(f) if row]
    if not rows or rows[0] != COLUMNS:
        rows.insert(0, COLUMNS)
    at = {tuple(row[1:6]): i for i, row in enumerate(rows) if len(row) == len(COLUMNS)}
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    for metric, value in figures.items():
        row = [today, machine(), command, data_set, split, metric, shown(value)]
        place = at.get(tuple(row[1:6]))
        if place is None:
            rows.append(row)
        else:
            rows[place] = row
    with open(path + ".new", "w", newline="", encoding="utf-8") as f:
        csv.writer(f, lineterminator="\n").writerows(rows)
    os.replace(path + ".new", path)


def flatten(figures):
    """Numbers at the top, and of objects of numbers: {"risk": {"80": x}} gives risk_80."""
    flat = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            flat.update({f"{key}_{k}": v for k, v in value.items() if isinstance(v, (int, float))})
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[key] = value
    if flat.get("oos_rows") == 0:  # nothing was out of scope: no figures of it
        flat = {key: value for key, value in flat.items() if not key.startswith("oos_")}
    return flat


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    record(sys.argv[1], sys.argv[2], sys.argv[3], flatten(json.load(sys.stdin)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
