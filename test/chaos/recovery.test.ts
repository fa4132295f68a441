import { expect, test } from "vitest";
import type { Change } from "./history.ts";
import { change, deed, EMPTY } from "./made-history.ts";
import { recoveries } from "./recovery.ts";

const held = change("x", { before: "QUEUED", after: "RUNNING", committed: 500, fence: 1, holder: "h" });
const claimAt = (committed: number, id: string) =>
  change(id, { before: "QUEUED", after: "RUNNING", committed, fence: 9, holder: "other" });
const killed = deed({ at: 1_000, holders: ["h"] });
const seconds = (changes: readonly Change[], deeds = [killed]) =>
  recoveries({ ...EMPTY, deeds, changes }).map((each) => each.seconds);

test.each<readonly [string, readonly Change[], number | null]>([
  ["adopted", [held, { ...held, committed: 4_000, holder: "heir" }], 3],
  ["ended", [held, { ...held, committed: 2_500, after: "SUCCEEDED", holder: null, fence: null }], 1.5],
  [
    "queued again, and claims go on",
    [held, { ...held, committed: 2_000, after: "QUEUED", holder: null, fence: null }, claimAt(3_000, "y")],
    2,
  ],
  [
    "queued again, and nobody claims",
    [held, { ...held, committed: 2_000, after: "QUEUED", holder: null, fence: null }],
    null,
  ],
  [
    "queued again, and cancelled before anybody claims",
    [
      held,
      { ...held, committed: 2_000, after: "QUEUED", holder: null, fence: null },
      change("x", { before: "QUEUED", after: "CANCELLED", committed: 2_700 }),
    ],
    1.7,
  ],
  ["never", [held], null],
  ["not held by it: the next claim", [claimAt(500, "y"), claimAt(1_200, "z")], 0.2],
  [
    "not held by it: the next result",
    [claimAt(500, "y"), change("y", { before: "RUNNING", after: "FAILED", committed: 1_300 }), claimAt(1_400, "z")],
    0.3,
  ],
])("recovery - %s", (_what, changes, expected) => expect(seconds(changes)).toEqual([expected]));

test("recovery - the last of several counts; what kills nothing isn't asked", () => {
  const other = { ...held, id: "y", holder: "h" };
  const changes = [
    held,
    other,
    { ...held, committed: 2_000, holder: "heir" },
    { ...other, committed: 5_000, holder: "heir" },
  ];
  expect(seconds(changes)).toEqual([4]);
  expect(seconds(changes, [{ ...killed, kills: 0 }])).toEqual([]);
  expect(seconds([], [killed])).toEqual([]);
  expect(seconds([held, { ...held, committed: 2_000, fence: 2 }], [deed({ at: 1_000, executions: ["x"] })])).toEqual([
    1,
  ]);
});
