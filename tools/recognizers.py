#!/usr/bin/env python3
"""Scores value_find against the English cases of the Recognizers-Text suite.

usage: recognizers.py BINARY DIR [--show FILE] [--csv] [--record]     --record keeps the figures in tests/quality.csv

A row passes ("exact") when what is found equals what is expected: the same number of values, each with the
same span (character offsets), type and resolution.
  number, ordinal, percentage   numerically equal to 1 part in 10^9; ordinal.relative: end+0 is -1,
                                end-1 is -2, current+1 a relative 1
  currency, dimension, age, temperature   the same, with the unit (a table below maps the suite's names)
  date, time, datetime          the set of expected values equals the set of the past and the future reading
  daterange, timerange, datetimerange     the same with start and end; 23:59:59 ends equal
  duration                      equal in seconds (month 30 days or a twelfth of a year, year 365)
  set                           frequency and interval of the expected TIMEX (P1W, XXXX-WXX-1, T15 = daily)
The second figure ("value") counts a row when spans and types are the same and each of our values is among the
expected ones, so an alternative we do not list (am and pm) does not fail it. Rows that expect values
"not resolved" (seasons) or a type that has no value here pass on span alone in neither figure.
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import quality  # noqa: E402  (beside this file)

KINDS = {
    "NumberModel": "number", "NumberModelExperimentalMode": "number", "NumberModelPercentMode": "number",
    "OrdinalModel": "ordinal,relative",
    "OrdinalModelSuppressExtendedTypes": "ordinal", "PercentModel": "percent",
    "PercentModelPercentMode": "percent", "CurrencyModel": "money", "TemperatureModel": "temperature",
    "DimensionModel": "dimension", "AgeModel": "age",
}
DATETIME_KINDS = "duration,date,time,datetime,interval,recurrence"
TYPES = {"number": "number", "ordinal": "ordinal", "ordinal.relative": "ordinal", "percentage": "percent",
         "currency": "money", "temperature": "temperature", "dimension": "dimension", "age": "age",
         "duration": "duration", "date": "date", "time": "time", "datetime": "datetime", "set": "recurrence",
         "daterange": "interval", "timerange": "interval", "datetimerange": "interval"}
UNITS = {"Dollar": "USD", "Cent": "USD/100", "Penny": "USD/100", "Pence": "GBP/100", "British pound": "GBP",
         "Canadian dollar": "CAD", "Australian dollar": "AUD", "United States dollar": "USD", "Euro": "EUR",
         "Japanese yen": "JPY", "Chinese yuan": "CNY", "Finnish markka": "FIM", "Franc": "CHF",
         "Swiss franc": "CHF",
         "Peseta": "ESP", "Netherlands guilder": "NLG", "Rupee": "INR", "Sri Lankan rupee": "LKR",
         "Lao kip": "LAK",
         "Georgian lari": "GEL", "Turkish lira": "TRY", "Mexican peso": "MXN", "Bitcoin": "BTC",
         "Satoshi": "BTC/100000000",
         "C": "C", "F": "F", "K": "K", "Year": "year", "Month": "month", "Week": "week", "Day": "day",
         "Age": "",
         "Inch": "in", "Foot": "ft", "Mile": "mi", "Yard": "yd", "Meter": "m", "Kilometer": "km",
         "Centimeter": "cm",
         "Decimeter": "dm", "Millimeter": "mm", "Square meter": "m2", "Square kilometer": "km2",
         "Square foot": "ft2",
         "Square mile": "mi2", "Acre": "ac", "Gallon": "gal", "Liter": "l", "Barrel": "bbl", "Pound": "lb",
         "Kilogram": "kg", "Gram": "g", "Microgram": "ug", "Milligram": "mg", "Ton": "ton", "Metric ton": "t",
         "Ounce": "oz", "Bit": "bit", "Byte": "B", "Kilobyte": "kB", "Megabyte": "MB", "Gigabyte": "GB",
         "Radian": "rad", "Turn": "turn", "Mile per hour": "mph", "Kilometer per hour": "km/h",
         "Cubic meter": "m3", "Cubic foot": "ft3", "Hectare": "ha"}


def close(a, b):
    return abs(a - b) <= 1e-9 * max(1e-3, abs(a), abs(b))


def number(text):
    try:
        return float(str(text).rstrip("%"))
    except ValueError:
        return None


def iso_seconds(text):
    date = "".join(rf"(?:([\d.]+){letter})?" for letter in "YMWD")
    time = "".join(rf"(?:([\d.]+){letter})?" for letter in "HMS")
    m = re.fullmatch(f"P{date}(?:T{time})?", text)
    if not m:
        return None
    totals = []
    for month in (30 * 86400, 365 * 86400 / 12):  # the suite counts 3.5 years as 3.5 * 365 days
        sizes = (365 * 86400, month, 7 * 86400, 86400, 3600, 60, 1)
        totals.append(sum(float(g) * size for g, size in zip(m.groups(), sizes) if g))
    return totals


def moment(text):
    return text.replace(" ", "T") if text else None


def span_end(text):
    """The last second of a day and the midnight behind it are one end."""
    return text.replace("23:59:59", "24:00:00") if text else None


def set_matches(timex, rule):
    if timex.startswith("T"):
        return "FREQ=DAILY" in rule
    if timex == "P0.5Y":
        timex = "P6M"
    if timex in ("P1WE", "P2WE", "XXXX-WXX-WE"):
        return "BYDAY=SA,SU" in rule and ("INTERVAL=2" in rule) == (timex == "P2WE")
    m = re.fullmatch(r"P(\d+)([YMWD])", timex)
    interval = int((re.search(r"INTERVAL=(\d+)", rule) or [0, "1"])[1])
    if m:
        want = {"Y": "YEARLY", "M": "MONTHLY", "W": "WEEKLY", "D": "DAILY"}[m[2]]
        return f"FREQ={want}" in rule and interval == int(m[1])
    m = re.fullmatch(r"PT(\d+)H", timex)
    if m:
        return "FREQ=HOURLY" in rule and interval == int(m[1])
    m = re.match(r"XXXX-WXX-(\d)", timex)
    if m:
        return "FREQ=WEEKLY" in rule and ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][int(m[1]) - 1] in rule
    return False


def unit_matches(resolution, got):
    name, value = resolution.get("unit"), number(resolution.get("value"))
    want = UNITS.get(name, name)
    if got["kind"] == "temperature" and name == "Degree":
        want = ""
    if got["kind"] == "dimension" and name == "Degree":
        want = "deg"
    if value is None or want is None:
        return False
    if "/" in want and want not in ("km/h", "m/s", "ft/s"):
        want, size = want.split("/")
        value /= int(size)
    return got.get("unit") == want and close(value, float(got["value"]))


def values_match(kind, resolution, past, future):
    """(exact, value) for one expected result against its two readings."""
    if kind in ("number", "percent"):
        want = number(resolution.get("value"))
        same = want is not None and close(want, float(future["value"]))
        return same, same
    if kind == "relative":
        same = resolution["value"] == f"current{int(future['value']):+d}"
        return same, same
    if kind == "ordinal":
        want = resolution.get("value", "")
        if want.startswith("end"):
            same = int(future["value"]) == int(want[3:] or 0) - 1
        else:
            same = number(want) is not None and close(number(want), float(future["value"]))
        return same, same
    if kind in ("money", "temperature", "dimension", "age"):
        same = unit_matches(resolution, future)
        return same, same
    values = resolution.get("values") or []
    if kind == "duration":
        seconds = iso_seconds(future["value"])
        same = any(number(v.get("value")) in seconds for v in values)
        return same, same
    if kind == "recurrence":
        same = any(set_matches(v.get("timex", ""), future["value"]) for v in values)
        return same, same
    if kind == "interval":
        want = {(moment(v.get("start")), span_end(moment(v.get("end"))))
                for v in values if "start" in v or "end" in v}
        got = {(f.get("from"), span_end(f.get("to"))) for f in (past, future)}
    else:
        want = {moment(v.get("value")) for v in values}
        got = {f["value"] for f in (past, future)}
    return want == got, bool(want) and got <= want


def kind_of(e):
    if "current" in str((e.get("Resolution") or {}).get("value")):
        return "relative"
    return TYPES.get(e["TypeName"].replace("datetimeV2.", ""))


def aligned(expected, found):
    if len(expected) != len(found):
        return False
    return all(e["Start"] == f["start"] and e["End"] + 1 == f["end"] and kind_of(e) == f["kind"]
               for e, f in zip(expected, found))


def score_row(expected, past, future):
    expected = sorted(expected, key=lambda e: e.get("Start", 0))
    if any("Start" not in e or "TypeName" not in e for e in expected):
        return None
    if not aligned(expected, future) or not aligned(expected, past):
        return False, False
    results = [values_match(f["kind"], e.get("Resolution") or {}, p, f)
               for e, p, f in zip(expected, past, future)]
    return all(r[0] for r in results), all(r[1] for r in results)


def run(binary, rows, kinds):
    lines = []
    for row in rows:
        now = (row.get("Context") or {}).get("ReferenceDateTime", "2016-11-07T00:00:00")[:19]
        lines.append(f"{kinds}\t{now}\t" + re.sub(r"[\t\r\n]", " ", row["Input"]))
    done = subprocess.run([binary], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def print_row(row, scored, future):
    wanted = [(e.get("Text"), e.get("TypeName"), e.get("Start"), e.get("Resolution")) for e in row["Results"]]
    print("value" if scored[1] else "FAIL", repr(row["Input"]), row.get("Context", ""))
    print("    want", wanted)
    print("    got ", future)


def main():
    if len(sys.argv) < 3 or not os.path.isdir(sys.argv[2]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    binary, folder = sys.argv[1], sys.argv[2]
    recorded = "--record" in sys.argv
    show = sys.argv[sys.argv.index("--show") + 1] if "--show" in sys.argv else None
    csv = "--csv" in sys.argv
    totals = [0, 0, 0]
    print("file,rows,exact,value" if csv else f"{'file':45} {'rows':>5} {'exact':>7} {'value':>7}")
    for name in sorted(os.listdir(folder)):
        model = name.split(".")[1]
        kinds = DATETIME_KINDS if model.startswith("DateTimeModel") else KINDS.get(model)
        if show is not None and show not in name:
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            rows = [json.loads(line) for line in f]
        if kinds is None:  # ranges of numbers are no value here
            print(f"{name},{len(rows)},," if csv else f"{name:45} {len(rows):5}    none")
            continue
        counted = exact = value = 0
        for row, (past, future) in zip(rows, run(binary, rows, kinds)):
            if "SuppressExtendedTypes" in model:  # that mode asks for no ordinals counted from the end
                past, future = ([f for f in found if int(f["value"]) > 0] for found in (past, future))
            scored = score_row(row["Results"], past, future)
            if scored is None:
                continue
            counted += 1
            exact += scored[0]
            value += scored[1]
            if show is not None and not scored[0]:
                print_row(row, scored, future)
        if recorded:
            quality.record("value/" + name.removesuffix(".dev.jsonl"), "all rows; tuned on these", "tools/recognizers.py",
                           {"rows": counted, "exact": exact / counted, "value": value / counted})
        totals = [totals[0] + counted, totals[1] + exact, totals[2] + value]
        if csv:
            print(f"{name},{counted},{exact / counted:.4f},{value / counted:.4f}")
        else:
            print(f"{name:45} {counted:5} {100 * exact / counted:6.1f}% {100 * value / counted:6.1f}%")
    if not csv and show is None:
        rows, exact, value = totals
        print(f"{'all':45} {rows:5} {100 * exact / rows:6.1f}% {100 * value / rows:6.1f}%")


if __name__ == "__main__":
    main()
