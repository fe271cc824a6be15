#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges the logs of one lab VM: exit status 0 only when everything was seen to be right.

A run passes when the console holds LAB-SUCCESS and LAB-EXIT rc=0 and no splat, when the emulator
ended by itself, and when every planned TAP test of every program was seen and is ok or an expected
skip (lab/allowed-skips.list), and what a program has not planned is in that list as well. No test at all is a failure.
"""
import argparse
import fnmatch
import json
import os
import re
import sys

SPLAT = re.compile(
    r"BUG[: ]|WARNING:|Oops|Call Trace|KASAN|KCSAN|UBSAN|KFENCE|kmemleak: \d+ new|possible .*deadlock|"
    r"possible recursive locking|inconsistent lock state|suspicious RCU usage|refcount_t|Object corrupt|"
    r"Kernel panic|general protection fault|unable to handle|soft lockup|hard LOCKUP|blocked for more than|"
    r"rcu.*detected.*stall|objects remaining|still in use|bad unlock balance|sleeping function called|LAB-ERROR")
HARMLESS = re.compile(
    r"(Speculative Return Stack Overflow|RETBleed|Spectre V2|MDS|TAA|MMIO).*WARNING:|WARNING: See https|"
    r"kfence: initialized|KASAN: ?(Kernel|kernel)AddressSanitizer initialized|Command line:|"
    r"Unknown kernel command line|initialized - using \d+ bytes")
RESULT = re.compile(r"^(not ok|ok)\b\s*(\d+)?\s*-?\s*(.*)$")
PROGRAM = re.compile(r"^# program (\S+)(?: rc=(-?\d+))?\s*$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?$", re.I)
SKIP = re.compile(r"^(.*?)\s*#\s*skip\S*\s*(.*)$", re.I)
NOT_PLANNED = re.compile(r"^# not planned: (.*)$")
TODO = re.compile(r"#\s*todo\b", re.I)


def read(path):
    try:
        with open(path, "rb") as f:
            text = f.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip("\r").rstrip() for line in text.split("\n")]


class Verdict:
    def __init__(self, skips, emulator, kernels):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.problems, self.skip_list = [], []
        self.skips, self.emulator, self.kernels = skips, emulator, kernels

    def fail(self, text):
        self.failed += 1
        self.problems.append(text)

    def expected(self, name):
        for emulator, kernel, pattern, _ in self.skips:
            if (fnmatch.fnmatchcase(self.emulator, emulator) and fnmatch.fnmatchcase(name, pattern) and
                    any(fnmatch.fnmatchcase(k, kernel) for k in self.kernels)):
                return True
        return False

    def skip(self, name, reason):
        if self.expected(name):
            self.skipped += 1
            self.skip_list.append(f"{name}: {reason}")
        else:
            self.fail(f"unexpected skip: {name} ({reason})")

    def not_planned(self, name):
        if not self.expected(name):
            self.fail(f"not planned, and not expected to be missing here: {name}")

    def result(self, program, word, text, why):
        skip = SKIP.match(text)
        name = f"{program}: {skip.group(1) if skip else text}"
        if word != "ok" or TODO.search(text):
            self.fail(f"not ok: {name}{why and f' ({why})'}")
        elif skip:
            self.skip(name, skip.group(2))
        else:
            self.passed += 1


class Program:
    """One TAP stream; the runner marks it with '# program NAME' and '# program NAME rc=N'."""

    def __init__(self, name, verdict, marked):
        self.name, self.v, self.marked = name, verdict, marked
        self.plan, self.seen, self.all_skipped = None, 0, False
        self.said = []  # the comments before a result say why it failed

    def line(self, line):
        plan, result, absent = PLAN.match(line), RESULT.match(line), NOT_PLANNED.match(line)
        if plan:
            self.plan = int(plan.group(1))
            if self.plan == 0 and plan.group(2) is not None:
                self.all_skipped = True
                self.v.skip(f"{self.name}: all", plan.group(2))
        elif result:
            self.seen += 1
            self.v.result(self.name, result.group(1), result.group(3), "; ".join(self.said[-3:]))
            self.said = []
        elif absent:
            self.v.not_planned(f"{self.name}: {absent.group(1)}")
        elif line.startswith("Bail out!"):
            self.v.fail(f"{self.name}: {line}")
        elif line.startswith("# "):
            self.said.append(line[2:])

    def end(self, rc):
        if self.plan is None and (self.marked or self.seen):
            self.v.fail(f"{self.name}: no TAP plan ({self.seen} results seen)")
        elif self.plan is not None and self.plan != self.seen:
            self.v.fail(f"{self.name}: {self.plan} tests planned, {self.seen} seen")
        elif self.plan == 0 and not self.all_skipped:
            self.v.fail(f"{self.name}: no tests")
        if self.marked and rc is None:
            self.v.fail(f"{self.name}: did not end")
        elif rc not in (None, 0) and not (rc == 4 and self.all_skipped):
            self.v.fail(f"{self.name}: exit status {rc}")


def judge_tap(lines, verdict, name):
    program = Program(name, verdict, False)
    for line in lines:
        mark = PROGRAM.match(line)
        if not mark:
            program.line(line)
        elif mark.group(2) is None:
            program.end(None)
            program = Program(mark.group(1), verdict, True)
        else:
            if program.name != mark.group(1):
                verdict.fail(f"{mark.group(1)}: ended but never started")
            program.end(int(mark.group(2)))
            program = Program(name, verdict, False)
    program.end(None)
    if verdict.passed + verdict.failed + verdict.skipped == 0:
        verdict.fail("no test ran")


def judge_console(lines, verdict, status):
    text = "\n".join(lines)
    for line in lines:
        if SPLAT.search(line) and not HARMLESS.search(line):
            verdict.fail(f"splat: {line}")
            break
    if status == "timeout":
        verdict.fail("time-out: the VM did not end by itself")
    elif status == "0" and verdict.emulator.startswith("qemu") and re.search(r"^LAB-NO-PORT: ", text, re.M):
        pass  # cloud kernels cannot use QEMU's exit port; the guest has switched the machine off
    elif status != ("1" if verdict.emulator.startswith("qemu") else "0"):
        verdict.fail(f"emulator ended with status {status}")
    if not re.search(r"^LAB-SUCCESS$|\sLAB-SUCCESS$", text, re.M):
        verdict.fail("no success marker on the console")
    end = re.findall(r"LAB-EXIT rc=(\d+)", text)
    if not end:
        verdict.fail("no shutdown marker on the console")
    elif end[-1] != "0":
        verdict.fail(f"payload or module unload ended with {end[-1]}")
    if verdict.emulator == "bochs-ibt" and "CET detected: Indirect Branch Tracking enabled" not in text:
        verdict.fail("the kernel does not check indirect branches, which this emulator is for")


def judge_stage(verdict, status):
    """A host check: TAP when it prints TAP, else its exit status is the one result."""
    if verdict.problems == ["no test ran"]:
        verdict.failed, verdict.problems = 0, []
        if status == "0":
            verdict.passed = 1
    if status != "0":
        verdict.fail(f"exit status {status}")


def load_skips(path):
    rows = []
    for line in read(path) if path else []:
        if line and not line.startswith("#"):
            row = re.split(r"\s{2,}|\t+", line, maxsplit=3)
            if len(row) != 4:
                sys.exit(f"verdict: bad line in {path}: {line}")
            rows.append(row)
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dir", required=True, help="directory with console.log and tap.log")
    p.add_argument("--kernel", required=True, help="name in lab/kernels.list")
    p.add_argument("--emulator", required=True)
    p.add_argument("--status", required=True, help="exit status of the emulator, or 'timeout'")
    p.add_argument("--release", default="", help="kernel release, for the table")
    p.add_argument("--seconds", type=int, default=0)
    p.add_argument("--stage", action="store_true", help="a check on the host: no console, no VM")
    p.add_argument("--skips", help="file with expected skips")
    a = p.parse_args()
    v = Verdict(load_skips(a.skips), a.emulator, [a.kernel, a.release])
    judge_tap(read(os.path.join(a.dir, "tap.log")), v, a.emulator if a.stage else "payload")
    if a.stage:
        judge_stage(v, a.status)
    else:
        judge_console(read(os.path.join(a.dir, "console.log")), v, a.status)
    with open(os.path.join(a.dir, "verdict.json"), "w", encoding="utf-8") as f:
        json.dump({"kernel": a.kernel, "release": a.release, "emulator": a.emulator, "passed": v.passed,
                   "failed": v.failed, "skipped": v.skipped, "seconds": a.seconds, "problems": v.problems,
                   "skips": v.skip_list}, f, indent=1)
    print(f"{a.kernel} on {a.emulator}: {v.passed} passed, {v.failed} failed, {v.skipped} skipped, {a.seconds} s")
    for problem in v.problems:
        print(f"  FAIL {problem}")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
