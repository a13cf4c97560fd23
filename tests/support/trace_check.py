#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check a timeline of the flight recorder: trace_check.py FILE [NAME...]

It is valid JSON, every run of a fiber has its end and a reason for it, the runs of a thread
do not overlap, arrows point forward in time and at a run, and each NAME ran.
"""
import collections
import json
import sys

KNOWN = {"ready", "spawn", "steal", "hand-off", "cancel"}


def check(events, names):
    runs = collections.defaultdict(list)
    starts = {}
    counts = collections.Counter()
    for event in events:
        phase = event["ph"]
        counts[phase] += 1
        if phase == "X":
            assert event["dur"] >= 0, event
            assert event["args"]["end"], event
            runs[event["tid"]].append(event)
        elif phase == "i":
            assert event["name"] in KNOWN, event
            counts[event["name"]] += 1
        elif phase == "s":
            assert event["id"] not in starts, ("two starts of one arrow", event)
            starts[event["id"]] = event["ts"]
        else:
            assert phase in ("M", "f"), event
    for event in events:
        if event["ph"] == "f" and event["id"] in starts:
            assert event["ts"] >= starts[event["id"]], ("an arrow into the past", event)
            counts["arrows"] += 1
    for tid, of_thread in runs.items():
        of_thread.sort(key=lambda event: event["ts"])
        for one, two in zip(of_thread, of_thread[1:]):
            # Both are rounded to a nanosecond, and added as doubles.
            assert one["ts"] + one["dur"] <= two["ts"] + 0.002, ("overlap", tid, one, two)
    ran = collections.Counter(event["name"] for each in runs.values() for event in each)
    for name in names:
        assert ran[name] > 0, ("did not run", name, dict(ran))
    ends = collections.Counter(e["args"]["end"] for each in runs.values() for e in each)
    return counts, ran, ends


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    counts, ran, ends = check(events, sys.argv[2:])
    print("runs:", dict(ran.most_common(12)))
    print("ends:", dict(ends.most_common(12)))
    print("marks:", {name: counts[name] for name in sorted(KNOWN | {"arrows"})})


if __name__ == "__main__":
    main()
