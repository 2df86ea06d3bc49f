#!/usr/bin/env python3
"""The engine against its peers: same files, same threads, interleaved in one run, medians with spread.

  PEER_LLAMA=.../llama-bench PEER_IK=.../llama-bench PEER_SIMPLE=.../llama-simple \\
    tools/bench_engine.py [--shapes 10M,45M] [--types Q8_0,Q4_0] [--rounds 5] [--threads 2] [--append]
      [--samples FILE] [--repeats 1] [--kernels NAME] [--out FILE]

Peers are llama.cpp's and ik_llama.cpp's bench programs, built for the machine; one that is not named is left out.
Writes bench/results/engine.csv or what --out names. With --samples what was measured is also kept in a file, round by round,
and added to what an earlier call left there: a table of many hours may be made in pieces. --kernels names the instruction
set that ours may use; peers use what they were built for. Resident memory needs GNU time (package `time`). Model files are made by `minnow bench shape` in --folder and kept there."""
import argparse
import csv
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MINNOW = os.environ.get("MINNOW", os.path.join(ROOT, "minnow"))
OUT = os.path.join(ROOT, "bench", "results", "engine.csv")
HEAD = ["shape", "type", "test", "unit", "engine", "median", "min", "max", "samples", "to_best_peer"]
GENERATE = 64
SHAPES, TYPES = ["10M", "45M", "135M", "500M", "1.1B"], ["Q8_0", "Q4_0", "Q4_K_M"]


def output(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode != 0:
        print(f"{command[0]} failed with {done.returncode}", file=sys.stderr)
    return done.stdout if done.returncode == 0 else None


def ours(path, prompt, generate, threads, repeats, kernels):
    """Tokens a second for the prompt and for the tokens generated, medians; percent of measured bandwidth."""
    text = output([MINNOW, "bench", "engine", "-m", path, "-p", str(prompt), "-n", str(generate), "-t", str(threads),
                   "-r", str(repeats), "--json"] + (["--kernels", kernels] if kernels else []))
    if text is None:
        return {}
    r = json.loads(text)
    out = {}
    if prompt:
        out[f"prefill {prompt}"] = r["prefill"]["median"]
    if generate:
        out[f"decode {generate}"] = r["decode"]["median"]
        out["bandwidth"] = 100.0 * r["gb_per_s"] / r["measured_gb_per_s"]
    return out


def peer(program, extra, path, prompts, threads, repeats):
    text = output([program, "-m", path, "-t", str(threads), "-p", ",".join(map(str, prompts)), "-n", str(GENERATE),
                   "-r", str(repeats), "-o", "json"] + extra)
    out = {}
    for row in json.loads(text or "[]"):
        name = f"prefill {row['n_prompt']}" if row["n_prompt"] else f"decode {row['n_gen']}"
        out[name] = statistics.median(row["samples_ts"])
    return out


def first_token(command):
    """Milliseconds from starting a process to its end after one token."""
    start = time.perf_counter()
    child = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {"first token": 1e3 * (time.perf_counter() - start)} if child.returncode == 0 else {}


def resident(command):
    """A process's largest resident memory in MB. GNU time starts it: a child of this one would begin with Python's."""
    if shutil.which("time") is None:
        return {}
    child = subprocess.run(["time", "-f", "%M", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    return {"resident": int(child.stderr.split()[-1]) * 1024 / 1e6} if child.returncode == 0 else {}


def start_figures(command):
    return first_token(command) | resident(command)


def engines(threads, prompts, start, repeats, kernels):
    llama, ik, simple = (os.environ.get(n) for n in ("PEER_LLAMA", "PEER_IK", "PEER_SIMPLE"))
    list_of = {}

    def run_ours(path):
        out = {}
        for i, prompt in enumerate(prompts):
            out.update(ours(path, prompt, GENERATE if i == 0 else 0, threads, repeats, kernels))
        if start:
            out.update(start_figures([MINNOW, "generate", "-m", path, "-n", "1", "-t", str(threads), "--temp", "0", "w300"]))
        return out

    def run_llama(path):
        out = peer(llama, [], path, prompts, threads, repeats)
        if simple and start:
            out.update(start_figures([simple, "-m", path, "-n", "1", "w300"]))
        return out

    list_of["minnow"] = run_ours
    if llama:
        list_of["llama.cpp"] = run_llama
    if ik:
        list_of["ik_llama.cpp"] = lambda path: peer(ik, ["-rtr", "1"], path, prompts, threads, repeats)
    return list_of


def place(names, name):
    return names.index(name) if name in names else len(names)


def unit_of(test):
    return {"first token": "ms", "resident": "MB", "bandwidth": "percent"}.get(test, "tokens/s")


def rows_of(shape, kind, samples):
    """samples: engine -> test -> list. The ratio says how much better than the best peer."""
    rows = []
    for test in sorted({t for s in samples.values() for t in s}):
        unit, medians = unit_of(test), {e: statistics.median(s[test]) for e, s in samples.items() if s.get(test)}
        peers = [v for e, v in medians.items() if e != "minnow"]
        for engine, value in medians.items():
            ratio = ""
            if engine == "minnow" and peers:
                ratio = f"{value / max(peers):.2f}" if unit == "tokens/s" else f"{min(peers) / value:.2f}"
            v = samples[engine][test]
            rows.append([shape, kind, test, unit, engine, f"{value:.4g}", f"{min(v):.4g}", f"{max(v):.4g}", len(v), ratio])
    return rows


def add_round(samples, list_of, path):
    """One sample of every engine, by turns."""
    for engine, run in list_of.items():
        for test, value in run(path).items():
            samples.setdefault(engine, {}).setdefault(test, []).append(value)


def machine():
    name = platform.processor() or "unknown"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            text = f.read()
        name = next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
        flags = [f for f in ("avx512_vnni", "amx_int8") if f in text]
        name += "".join(", " + f for f in flags)
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--prompts", default="16,128,512")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=1, help="in each process; their median is the sample")
    parser.add_argument("--folder", default="/tmp/minnow-bench")
    parser.add_argument("--append", action="store_true", help="keep the rows of other shapes, types and tests")
    parser.add_argument("--samples", help="a file that keeps samples from call to call")
    parser.add_argument("--kernels", help="of ours: avx512vnni, avx2, ...; the machine's best when not given")
    parser.add_argument("--out", default=OUT)
    parser.add_argument("--no-start", action="store_true", help="leave out the first token and resident memory")
    o = parser.parse_args()
    os.makedirs(o.folder, exist_ok=True)
    list_of = engines(o.threads, [int(p) for p in o.prompts.split(",")], not o.no_start, o.repeats, o.kernels)
    rows, kept = [], {}
    if o.samples and os.path.exists(o.samples):
        with open(o.samples, encoding="utf-8") as f:
            kept = json.load(f)
    for shape in o.shapes.split(","):
        for kind in o.types.split(","):
            path = os.path.join(o.folder, f"{shape}-{kind}.gguf")
            if not os.path.exists(path) and output([MINNOW, "bench", "shape", shape, kind, path]) is None:
                return 1
            samples = kept.setdefault(f"{shape} {kind}", {})
            for _ in range(o.rounds):
                add_round(samples, list_of, path)
                if o.samples:
                    with open(o.samples, "w", encoding="utf-8") as f:
                        json.dump(kept, f)
            fresh = rows_of(shape, kind, samples)
            rows += fresh
            for row in fresh:
                print(*row, sep=",", flush=True)
    done = {tuple(r[:3]) for r in rows}
    if o.append and os.path.exists(o.out):
        with open(o.out, encoding="utf-8") as f:
            old = [r for r in csv.reader(line for line in f if not line.startswith("#"))]
        rows = [r for r in old if r and r != HEAD and tuple(r[:3]) not in done] + rows
    rows.sort(key=lambda r: (place(SHAPES, r[0]), place(TYPES, r[1]), r[2]))  # engines stay in their order
    with open(o.out, "w", encoding="utf-8") as f:
        f.write(f"# machine: {machine()}\n# date: {datetime.date.today()}\n# threads: {o.threads}; engines by turns, a sample each\n")
        f.write("# command: tools/bench_engine.py with PEER_LLAMA, PEER_IK (-rtr 1), PEER_SIMPLE\n")
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(HEAD)
        writer.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
