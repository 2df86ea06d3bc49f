#!/usr/bin/env python3
"""What the shipped packs' held-out rows say together about how far an answer can be trusted: src/train/trust.def.

usage: pool_trust.py [--cases build/tests/trust_cases] [--each] PACK_FOLDER... > src/train/trust.def

--each     instead of the file: what packs would be given if nothing of their own had gone into it, and how much they
           differ: held-out log loss of each pack's rows under the others' line and under its own of the other half

Each row is as many answers as there are drawings, each a fraction of a row. Needs nothing but the packs."""
import argparse
import json
import math
import subprocess
import sys

DRAWS = 5  # TRUST_DRAWS of src/train/loop.h
FROM = [0.50, 0.60, 0.70, 0.75, 0.80, 0.85, 0.88, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995]


def logistic(z):
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def fit(rows, ridge=1e-3, at=(0.0, 0.0)):
    """Bias and weight by Newton's method; rows are (log odds, right)."""
    a, b = at
    for _ in range(40):
        ga, gb, haa, hab, hbb = ridge * (a - at[0]), ridge * (b - at[1]), ridge, 0.0, ridge
        for x, y in rows:
            p = logistic(a + b * x)
            d, h = (p - y) / DRAWS, p * (1 - p) / DRAWS
            ga, gb, haa, hab, hbb = ga + d, gb + d * x, haa + h, hab + h * x, hbb + h * x * x
        det = haa * hbb - hab * hab
        a, b = a - (hbb * ga - hab * gb) / det, b - (haa * gb - hab * ga) / det
    return a, b


def loss(rows, line):
    p = [logistic(line[0] + line[1] * x) for x, _ in rows]
    return -sum(math.log(q if y else 1 - q) for q, (_, y) in zip(p, rows)) / DRAWS


def risk(rows, line, least):
    acted = [y for x, y in rows if logistic(line[0] + line[1] * x) >= least]
    return (len(acted) - sum(acted)) / len(acted) if acted else 0.0


def halves(rows):
    """By blocks of drawings, so that a phrasing stays on one side (nearly: some drawings are not answered)."""
    blocks = [rows[i:i + 4 * DRAWS] for i in range(0, len(rows), 4 * DRAWS)]
    return [sum(blocks[0::2], []), sum(blocks[1::2], [])]


def show_each(packs):
    print(f"{'pack':10} {'answers':>7} {'wrong':>6}  {'others line':>14} {'own line':>14}  loss: others, own  wrong from 0.90")
    total = [0.0, 0.0]
    for name, rows in packs.items():
        others = fit([r for other, rs in packs.items() if other != name for r in rs])
        a, b = halves(rows)
        own = loss(a, fit(b)) + loss(b, fit(a))
        line, theirs = fit(rows), loss(rows, others)
        total = [total[0] + theirs, total[1] + own]
        wrong = 1 - sum(y for _, y in rows) / len(rows)
        print(f"{name:10} {len(rows):7} {wrong:6.3f}  {others[0]:6.2f} {others[1]:6.2f}  {line[0]:6.2f} {line[1]:6.2f}  "
              f"{theirs:8.2f} {own:8.2f}  {risk(rows, others, 0.9):.4f}")
    print(f"{'all':10} {'':7} {'':6}  {'':14} {'':14}  {total[0]:8.2f} {total[1]:8.2f}")


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--cases", default="build/tests/trust_cases")
    p.add_argument("--each", action="store_true")
    p.add_argument("folders", nargs="+")
    options = p.parse_args()
    done = subprocess.run([options.cases, *options.folders], capture_output=True, check=False, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    packs = {}
    for line in done.stdout.splitlines():
        name, x, y = json.loads(line)
        packs.setdefault(name, []).append((x, y))
    if options.each:
        show_each(packs)
        return
    rows = sum(packs.values(), [])
    line = fit(rows)
    print("/* What the shipped packs' held-out rows say together (trust.c): the line of the confidence, and the share that is\n"
          " * wrong of the answers from a confidence on. Written by tools/pool_trust.py:\n"
          f" * {len(rows)} answers of {len(packs)} packs. */")
    print(f"TRUST_LINE({line[0]:.3f}, {line[1]:.3f})")
    least = 1.0
    for at in FROM:
        least = min(least, risk(rows, line, at))  # never rises
        print(f"TRUST_RISK({at:.3f}, {least:.4f})")


if __name__ == "__main__":
    main()
