import type { Rule } from "../finding.ts";

/** G2: a result is written by the worker that holds the execution. (Its incarnations share a name; which of them wrote, only fence and holder tell.) */
export const ofTheHolder: Rule = {
  name: "written by another",
  *check({ changes, incarnations }) {
    const names = new Map(incarnations.map(({ id, name }) => [id, name]));
    for (const { id, after, beforeHolder, writer } of changes) {
      if (after !== "SUCCEEDED" || beforeHolder === null) continue;
      const holder = `rayferry worker ${names.get(beforeHolder)}`;
      if (writer !== holder) yield [id, `its result was written by "${writer}" while "${holder}" had it`];
    }
  },
};
