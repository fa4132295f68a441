/** What `make demo` runs, as its user runs it; the best accuracy is compared with scikit-learn called directly. */
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Output } from "../support/output.ts";
import { ProcessMark } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PYTHON = join(ROOT, ".venv", "bin", "python");

/** Prints the mean accuracy of `family key=value ...`, with nothing of rayferry in between. */
const DIRECT = `
import sys
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
family, *words = sys.argv[1].split()
params = {}
for word in words:
    key, value = word.split("=")
    params[key] = value if value.isalpha() else float(value) if "." in value or family == "svc" else int(value)
x, y = load_digits(return_X_y=True)
print(repr(float(cross_val_score({"svc": SVC, "knn": KNeighborsClassifier}[family](**params), x, y, cv=10).mean())))
`;

describe("make demo", () => {
  const mark = new ProcessMark();
  const start = () => {
    const child = spawn(join(ROOT, "scripts", "demo.sh"), [], {
      env: { ...process.env, ...mark.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { child, output: new Output(child) };
  };

  afterAll(() => {
    mark.clear();
  });

  test("the search - ranks at least 60 configurations, shows a failure and a cancel, and leaves nothing running", async () => {
    const { output } = start();
    expect(await output.ended).toBe(0);
    const { text } = output;
    expect(text).toContain("FAILED with Python's ValueError");
    expect(text).toMatch(/File ".*digits_tasks\.py", line \d+, in cross_validate/);
    expect(text).toMatch(/then CANCELLED \d+\.\d\d s after/);
    const ranked = [...text.matchAll(/^ +(\d+) ((?:svc|knn) .*?) +(0\.\d{4}) +(\d+\.\d\d) {3}pid (\d+)$/gm)];
    expect(ranked.length).toBeGreaterThanOrEqual(60);
    expect(new Set(ranked.map((row) => row[2]?.split(" ")[0]))).toEqual(new Set(["svc", "knn"]));
    expect(ranked.map((row) => Number(row[3]))).toEqual(ranked.map((row) => Number(row[3])).toSorted((a, b) => b - a));
    expect(text).toMatch(/\d+ executions in \d+\.\d s, up to [1-9]\d* at once/);

    const best = text.match(/^Best: (.*)$/m)?.[1] ?? "";
    const accuracy = text.match(/mean accuracy (0\.\d+)/)?.[1];
    expect(execFileSync(PYTHON, ["-c", DIRECT, best]).toString().trim()).toBe(accuracy);
    expect(mark.find()).toEqual([]);
  });

  test("kill -9 in the middle of the search - everything it started is gone within 15 s", async () => {
    const { child, output } = start();
    await output.until(/of \d+ configurations, best/);
    child.kill("SIGKILL");
    const killed = performance.now();
    await waitFor("everything is gone", () => mark.find().length === 0, 15_000);
    console.log(`everything gone ${((performance.now() - killed) / 1000).toFixed(1)} s after kill -9`);
  });

  test("Ctrl-C while Ray starts - ends it soon, with nothing left", async () => {
    const { child, output } = start();
    await output.until(/Starting Ray/);
    child.kill("SIGINT");
    const asked = performance.now();
    await output.ended;
    expect(performance.now() - asked).toBeLessThan(10_000);
    await waitFor("everything is gone", () => mark.find().length === 0, 5_000);
  });
});
