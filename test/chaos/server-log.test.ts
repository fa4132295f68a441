import { expect, test } from "vitest";
import { ServerLog } from "./server-log.ts";

test("server log - counts what Postgres says, and which of our statements it said it of, however the text is cut", () => {
  const text = [
    "[00000] LOG:  database system is ready to accept connections",
    '[53100] ERROR:  could not extend file "base/1/2": No space left on device',
    "[53100] HINT:  Check free disk space.",
    "[53100] STATEMENT:  ",
    "\t    with picked as (",
    "\t      select 1",
    "[57P01] FATAL:  terminating connection due to administrator command",
    "[53100] ERROR:  again",
    '[53100] STATEMENT:  with incoming as (select), written as (insert into "rayferry"."ray_task_execution" (id)',
    "[00000] LOG:  the end",
    "",
  ].join("\n");
  for (const size of [1, 7, 1_000]) {
    const log = new ServerLog();
    for (let from = 0; from < text.length; from += size) log.add(text.slice(from, from + size));
    expect(log.errors).toEqual({ "53100": 2, "57P01": 1, "53100 claim": 1, "53100 enqueue": 1 });
    expect(log.failedClaims).toHaveLength(1);
  }
});
