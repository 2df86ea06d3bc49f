#!/usr/bin/env python3
"""Judges the shipped packs on requests they were not trained on: the right pack, or handoff where none fits.

usage: measure_slurp.py ROWS.jsonl [--map tests/slurp_map.json] [--cases build/tests/do_cases] [--now TIME]
                        [--packs packs] [--half 0|1] [--limit N] [--wrong FILE] [--all FILE] [--no-record]

ROWS       {"text","intent",...}; made for slurp.devel. The map names the packs (or "handoff") that may take
           a label
--packs    another folder of packs is measured, not recorded
--half     only the rows with crc32(text) % 2 == N: a constant chosen on one half is judged on the other
--wrong    writes the rows that went wrong, one JSON object a line; --all writes every row
--no-record leaves tests/quality.csv alone

A row's answer is the packs of its actions, or "handoff" when it is handed off or refused. It is right when
each of them is among those the map allows. Acted on are rows decided `act` or `answer`; `confirm` and `ask`
put the matter to the user first. Rows whose label the map does not know are left out and counted."""
import argparse
import collections
import json
import os
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import quality  # noqa: E402  (beside this file)


def ask(options, texts):
    """Outcomes of all texts, in order, from one process."""
    command = [options.cases, options.now, options.packs]
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=False)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(outcomes) != len(texts):
        sys.exit(f"measure_slurp.py: {options.cases}: {done.stderr.decode(errors='replace').strip()}")
    return [{"decision": "error", "reason": o["error"], "actions": []} if "error" in o else o for o in outcomes]


def answer_of(outcome):
    if outcome["decision"] == "error":
        return ["error"]
    if outcome["decision"] in ("handoff", "refuse"):  # also when a part of it is covered
        return ["handoff"]
    return sorted({action["pack"] for action in outcome["actions"]}) or ["handoff"]


def scenario(row, allowed):
    """SLURP's own scenario where the label has one."""
    return row["intent"].split("_")[0] if "_" in row["intent"] else "/".join(allowed[row["intent"]])[:24]


def judge(rows, allowed, options):
    outcomes = ask(options, [row["text"] for row in rows])
    judged = []
    for row, outcome in zip(rows, outcomes):
        answer = answer_of(outcome)
        judged.append({"text": row["text"], "intent": row["intent"], "allowed": allowed[row["intent"]],
                       "scenario": scenario(row, allowed), "answer": answer, "decision": outcome["decision"],
                       "reason": outcome["reason"], "confidence": outcome.get("confidence", 0.0),
                       "actions": [a["pack"] + "." + a["name"] for a in outcome["actions"]],
                       "us": outcome.get("timings_us", {}).get("total", 0),
                       "right": all(a in allowed[row["intent"]] for a in answer)})
    return judged


def acted(rows):
    return [r for r in rows if r["decision"] in ("act", "answer")]


def share(part, whole):
    return part / whole if whole else 0.0


def wrong_share(rows):
    return share(sum(not r["right"] for r in rows), len(rows))


def percentile(values, p):
    values = sorted(values)
    return float(values[min(len(values) - 1, int(p * len(values)))]) if values else 0.0


def figures_of(judged):
    moved = acted(judged)
    decisions = collections.Counter(r["decision"] for r in judged)
    put = [r for r in judged if r["decision"] == "confirm"]
    figures = {"rows": len(judged), "right_pack_or_handoff": 1.0 - wrong_share(judged),
               "acted_share": share(len(moved), len(judged)), "acted_wrong_pack": wrong_share(moved),
               "confirm_wrong_pack": wrong_share(put),
               "p50_us": percentile([r["us"] for r in judged if r["us"]], 0.5),
               "p99_us": percentile([r["us"] for r in judged if r["us"]], 0.99)}
    figures.update({f"share_{name}": share(n, len(judged)) for name, n in sorted(decisions.items())})
    return figures


def show(judged, figures):
    groups = collections.defaultdict(list)
    for row in judged:
        groups[row["scenario"]].append(row)
    print(f"{'scenario':26} {'rows':>5} {'right':>7} {'acted':>7} {'wrong of it':>12}  most frequent mistake")
    for name, rows in sorted(groups.items(), key=lambda g: -len(g[1])):
        moved = acted(rows)
        mistakes = collections.Counter("+".join(r["answer"]) for r in rows if not r["right"]).most_common(1)
        worst = f"{mistakes[0][0]} ({mistakes[0][1]})" if mistakes else ""
        right, moving = 100 * (1 - wrong_share(rows)), 100 * share(len(moved), len(rows))
        wrong = 100 * wrong_share(moved)
        print(f"{name:26} {len(rows):5} {right:6.1f}% {moving:6.1f}% {wrong:11.1f}%  {worst}")
    print()
    for name, value in figures.items():
        print(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}")


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("rows")
    p.add_argument("--map", default="tests/slurp_map.json")
    p.add_argument("--cases", default="build/tests/do_cases")
    p.add_argument("--packs", default="packs")
    p.add_argument("--now", default="2026-11-21T09:30:00")
    p.add_argument("--half", type=int, choices=[0, 1])
    p.add_argument("--limit", type=int, default=0)
    p.add_argument("--wrong")
    p.add_argument("--all")
    p.add_argument("--no-record", action="store_true")
    options = p.parse_args()
    with open(options.map, encoding="utf-8") as f:
        allowed = {k: v for k, v in json.load(f).items() if not k.startswith("_")}
    with open(options.rows, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f if line.strip()]
    known = [row for row in rows if row["intent"] in allowed]
    if len(known) < len(rows):
        names = sorted({row["intent"] for row in rows} - set(allowed))
        print(f"left out: {len(rows) - len(known)} rows, not in the map: {', '.join(names)}", file=sys.stderr)
    if options.half is not None:
        known = [row for row in known if zlib.crc32(row["text"].encode()) % 2 == options.half]
    if options.limit:
        known = known[:options.limit]
    judged = judge(known, allowed, options)
    figures = figures_of(judged)
    show(judged, figures)
    errors = [r for r in judged if r["decision"] == "error"]
    if errors:
        print(f"measure_slurp.py: {len(errors)} failed, the first: {errors[0]['reason']}", file=sys.stderr)
    for path, rows in ((options.wrong, [r for r in judged if not r["right"]]), (options.all, judged)):
        if path:
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    whole = not options.limit and options.half is None and options.packs == "packs" and not errors
    if whole and not options.no_record:
        name = os.path.basename(options.rows)
        parts = name.removesuffix(".jsonl").split(".")
        quality.record(parts[0], parts[-1], f"tools/measure_slurp.py {name}", figures)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
