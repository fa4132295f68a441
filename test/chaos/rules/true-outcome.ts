import type { Rule } from "../finding.ts";
import type { Life } from "../history.ts";

/** What is recorded is what a body did: the one whose fence it was. */
export const trueOutcome: Rule = {
  name: "not what the body did",
  *check({ rows, lives }) {
    const byLife = new Map(lives.map((each) => [each.life, each]));
    const byAttempt = new Map<string, Life>(lives.map((each) => [`${each.id} ${each.fence}`, each]));
    for (const { id, state, resultLife, lastFence, errorCode } of rows) {
      if (state === "SUCCEEDED") {
        const life = resultLife === null ? undefined : byLife.get(resultLife);
        if (life === undefined || life.id !== id) yield [id, `its result ${resultLife} is no body's of its own`];
        else if (life.end !== "returned") yield [id, `its result is of a body that ${life.end ?? "was cut off"}`];
        else if (life.fence !== lastFence)
          yield [id, `its result is of fence ${life.fence}, its last attempt is ${lastFence}`];
      }
      if (state === "FAILED" && errorCode === "TaskError" && byAttempt.get(`${id} ${lastFence}`)?.end !== "raised")
        yield [id, `its last attempt ${lastFence} is recorded as failed, and no body of that fence raised`];
    }
  },
};
