#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: lab/check.sh jobs | lab/readme-matrix.py [LOGDIR]

Writes what was tested into README.md and CHANGELOG.md of the current directory, between their markers, from
the verdicts of make check under LOGDIR: all jobs must have passed there. Without LOGDIR nothing is written:
it says in what the two differ from the jobs, whatever the exact versions of the kernels are, which change
without us. Exit status 1 when anything is wrong.
"""
import glob
import json
import os
import re
import sys

EMULATORS = {"qemu": "QEMU, AMD-V", "qemu-la57": "QEMU, 5-level paging", "qemu-disk": "QEMU, unmodified VM",
             "bochs-vmx": "Bochs, VT-x", "bochs-ibt": "Bochs, VT-x and IBT", "bochs-svm": "Bochs, AMD-V"}
FILES = {"README.md": "matrix", "CHANGELOG.md": "tested-on"}


def key(version):
    return [int(n) for n in re.findall(r"\d+", version)]


def render(jobs, versions):
    """The text of each file's block, when the kernels have these versions."""
    order = sorted(versions, key=lambda k: key(versions[k]))
    rows = [["kernel (Debian suite)", *EMULATORS.values()], ["---"] * (len(EMULATORS) + 1)]
    for k in order:
        rows.append([f"{versions[k]} ({k})", *("tested" if (k, e) in jobs else "-" for e in EMULATORS)])
    return {"README.md": "\n".join("| " + " | ".join(r) + " |" for r in rows),
            "CHANGELOG.md": f"Tested on: Debian {', '.join(versions[k] for k in order)} (amd64, emulated)."}


def read(path):
    """A file's text before its block, the block and the text behind it."""
    with open(path, encoding="utf-8") as f:
        parts = re.split(rf"(?<=<!-- {FILES[path]} -->\n)(.*?)\n(?=<!-- /{FILES[path]} -->)", f.read(), flags=re.S)
    if len(parts) != 3:
        sys.exit(f"{path}: not one block between <!-- {FILES[path]} --> and <!-- /{FILES[path]} -->")
    return parts


def versions_of(logs, jobs):
    versions, passed = {}, set()
    for path in glob.glob(os.path.join(logs, "*", "verdict.json")):
        with open(path, encoding="utf-8") as f:
            v = json.load(f)
        if v["passed"] and not v["failed"]:
            passed.add((v["kernel"], v["emulator"]))
            versions[v["kernel"]] = re.sub(r"(\+.*)?-amd64$", "", v["release"])
    for kernel, emulator in sorted(jobs - passed):
        print(f"{kernel} on {emulator} has not passed in {logs}")
    if jobs - passed:
        sys.exit(1)
    return {k: versions[k] for k, _ in jobs}


def main():
    if len(sys.argv) > 2 or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__.strip())
    jobs = {tuple(line.split()) for line in sys.stdin}
    wrong = [f"{e}: not in lab/readme-matrix.py" for e in sorted({e for _, e in jobs} - set(EMULATORS))]
    have = {path: read(path) for path in FILES}
    if len(sys.argv) == 2:
        for path, block in render(jobs, versions_of(sys.argv[1], jobs)).items():
            with open(path, "w", encoding="utf-8") as f:
                f.write(have[path][0] + block + "\n" + have[path][2])
    else:
        versions = {k: v for v, k in re.findall(r"^\| (\d\S+) \((\S+)\) \|", have["README.md"][1], re.M)}
        kernels = {k for k, _ in jobs}
        wrong += [f"README.md: {k} is not tested, or not in the table" for k in sorted(kernels ^ set(versions))]
        wrong += [f"{path}: not what lab/kernels.list has tested: run make check readme-matrix"
                  for path, block in render(jobs, versions).items() if block != have[path][1]]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
