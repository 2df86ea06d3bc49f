#!/usr/bin/env python3
"""What answers under a rule cost: tokens per second of `minnow generate` with a schema over those without, run by turns.

  tools/measure_constrained.py MODEL [--rounds 7] [--tokens 600] [--threads 2]

Prints rows for bench/results/constrained.csv. Both ways draw the same number of tokens with the same sampling; tokens that a
rule leaves no choice about are put in without the model, so they are counted by themselves."""
import argparse, json, os, statistics, subprocess, tempfile

SCHEMAS = {
    "open object": {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 10},
    "tool calls": {"type": "array", "minItems": 4, "items": {
        "type": "object", "additionalProperties": False, "required": ["name", "arguments"], "properties": {
            "name": {"enum": ["get_weather", "set_alarm", "send_message"]},
            "arguments": {"type": "object", "additionalProperties": False, "required": ["location", "unit", "note"], "properties": {
                "location": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 14}, "note": {"type": "string"}}}}}},
}


def run(minnow, model, tokens, threads, seed, schema):
    cmd = [minnow, "generate", "-m", model, "-n", str(tokens), "-t", str(threads), "--temp", "0.8", "--seed", str(seed),
           "--ignore-end", "--json", "--quiet", "-p", "Data:"] + (["--schema", schema] if schema else [])
    out = subprocess.run(cmd, capture_output=True)
    if out.returncode != 0:
        return None
    r = json.loads(out.stdout.decode("utf-8", "replace").strip().splitlines()[-1])
    return r["generated_tokens"], r["forced_tokens"], r["timings_us"]["generate"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--minnow", default="build/minnow")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--tokens", type=int, default=600)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, schema in SCHEMAS.items():
            path = os.path.join(folder, "schema.json")
            with open(path, "w") as f:
                json.dump(schema, f)
            ratios, free, held, forced = [], [], [], []
            for seed in range(a.rounds):
                under = run(a.minnow, a.model, a.tokens, a.threads, seed, path)
                if under is None:
                    continue
                plain = run(a.minnow, a.model, under[0], a.threads, seed, None)
                free.append(plain[0] / plain[2] * 1e6)
                held.append(under[0] / under[2] * 1e6)
                forced.append(under[1] / under[0])
                ratios.append(held[-1] / free[-1])
            if not ratios:
                print(f"# {name}: no answer")
                continue
            print(f"{name},{len(ratios)},{statistics.median(free):.0f},{statistics.median(held):.0f},{statistics.median(ratios):.3f},"
                  f"{min(ratios):.3f},{max(ratios):.3f},{statistics.median(forced):.3f}")


if __name__ == "__main__":
    main()
