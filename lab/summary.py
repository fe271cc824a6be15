#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: summary.py LOGDIR TABLE.md

Collects every verdict.json under LOGDIR, prints the table and the failures, writes the table, and
ends with the line "N passed, N failed, N skipped". Exit status 1 when anything failed or nothing ran.
"""
import glob
import json
import os
import sys

ORDER = ["qemu", "qemu-la57", "qemu-disk", "bochs-vmx", "bochs-ibt", "bochs-svm"]


def rows_of(verdicts):
    vms = sorted((v for v in verdicts if v["kernel"] != "host"),
                 key=lambda v: ([int(x) if x.isdigit() else 0 for x in v["release"].split("-")[0].split("+")[0].split(".")],
                                ORDER.index(v["emulator"]) if v["emulator"] in ORDER else 9))
    host = [v for v in verdicts if v["kernel"] == "host"]
    yield ["where", "kernel", "emulator or check", "passed", "failed", "skipped", "seconds"]
    for v in host + vms:
        yield [str(x) for x in (v["kernel"], v["release"] or "-", v["emulator"], v["passed"], v["failed"], v["skipped"],
                                v["seconds"])]


def table(rows):
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, width)) + " |" for r in rows]
    lines.insert(1, "| " + " | ".join("-" * w for w in width) + " |")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    verdicts = []
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*", "verdict.json"))):
        with open(path, encoding="utf-8") as f:
            verdicts.append(json.load(f))
    text = table(list(rows_of(verdicts)))
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(text + "\n")
    print(text)
    for v in verdicts:
        for problem in v["problems"]:
            print(f"FAIL {v['kernel']} {v['emulator']}: {problem}")
    passed, failed, skipped = (sum(v[k] for v in verdicts) for k in ("passed", "failed", "skipped"))
    if not verdicts:
        failed = 1
        print("FAIL nothing ran")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
