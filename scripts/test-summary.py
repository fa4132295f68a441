"""Adds up the reports of both runners, pytest's JUnit and Vitest's JSON: test-summary.py NAME REPORT EXIT_STATUS [NAME REPORT EXIT_STATUS ...]

Prints `N passed, N failed` (and `, N skipped`) as its last line. A run that found no test, left no readable report or ended
with an error although none of its tests failed counts as one failed test: silence must not look like success.
"""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree


def count(report: Path) -> tuple[int, int, int]:
    return count_json(report) if report.suffix == ".json" else count_junit(report)


def count_json(report: Path) -> tuple[int, int, int]:
    said = json.loads(report.read_text())
    return said["numPassedTests"], said["numFailedTests"], said["numPendingTests"] + said["numTodoTests"]


def count_junit(report: Path) -> tuple[int, int, int]:
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(arguments: list[str]) -> int:
    total = [0, 0, 0]
    for name, report, status in zip(arguments[::3], arguments[1::3], arguments[2::3], strict=True):
        try:
            passed, failed, skipped = count(Path(report))
        except (OSError, ValueError, ElementTree.ParseError) as error:
            print(f"{name}: no report ({error})")
            passed = failed = skipped = 0
        if failed == 0 and (status != "0" or passed + skipped == 0):
            print(f"{name}: ended with status {status} after {passed} passed tests: counted as one failure")
            failed = 1
        for index, value in enumerate((passed, failed, skipped)):
            total[index] += value
    passed, failed, skipped = total
    if not arguments:
        print("no tests were run: counted as one failure")
        failed = 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
