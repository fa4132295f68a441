import { createServer } from "node:net";
import { beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../../src/dev/free-port.ts";
import { BridgeError, DatabaseUnreachableError, SidecarError } from "../../src/errors.ts";
import { CRASHES, Restarts, STABLE } from "../../src/worker/restarts.ts";

const death = (reason = "DIED") => new SidecarError(reason, "The sidecar ended by SIGSEGV. Its last words:\nboom");
let now: number;
let restarts: Restarts;

beforeEach(() => {
  now = 0;
  restarts = new Restarts(null, () => now);
});

/** As many failures in a row; what each is followed by. */
async function fail(times: number, error: Error, ran = 0, apart = 0): Promise<number[]> {
  const waits: number[] = [];
  for (let count = 0; count < times; count += 1) {
    now += apart;
    waits.push(await restarts.after(error, ran));
  }
  return waits;
}

describe("Restarts - the wait", () => {
  test("none at first, then doubled up to 30 s", async () => {
    const waits = await fail(10, new BridgeError("lost"));
    expect(waits).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("none again after a stable minute", async () => {
    await fail(5, new BridgeError("lost"));
    expect(await fail(2, new BridgeError("lost"), STABLE)).toEqual([0, 0]);
    expect(await fail(1, new BridgeError("lost"), STABLE - 1)).toEqual([500]);
  });

  test("none again when somebody changed something", async () => {
    await fail(CRASHES - 1, death());
    restarts.forget();
    expect(await fail(CRASHES - 1, death())).toEqual([0, 500, 1_000, 2_000]);
  });
});

describe("Restarts - a sidecar that dies again and again soon after its start", () => {
  test.each(["DIED", "RAY_START_FAILED", "SERVER_DIED", "INTERNAL"])(
    "%s - gives up, with the last words",
    async (reason) => {
      await fail(CRASHES - 1, death(reason));
      const refused = await restarts.after(death(reason), STABLE - 1).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "SIDECAR", reason: "CRASH_LOOP" });
      expect(String(refused)).toContain("5 times within 10 minutes, each time within 60 s of its start: giving up.");
      expect(String(refused)).toContain("The last time: The sidecar ended by SIGSEGV. Its last words:\nboom");
    },
  );

  test("not where it ran stably between", async () => {
    await fail(CRASHES - 1, death());
    await expect(fail(20, death(), STABLE)).resolves.toHaveLength(20);
  });

  test("not where the deaths are far apart", async () => {
    await expect(fail(20, death(), 0, 150_001)).resolves.toHaveLength(20);
    await expect(fail(20, death(), 0, 149_000)).rejects.toThrow("giving up");
  });

  test.each([
    death("RAY_UNREACHABLE"),
    death("UNKNOWN_NODE"),
    death("RAY_DIED"),
    death("AUTHORITY_EXPIRED"),
    death("LEASE_LOST"),
    new DatabaseUnreachableError("No Postgres answers."),
    new BridgeError("The server has been silent for 10 s."),
  ])("not for what something else brought about: %s", async (error) => {
    await fail(CRASHES - 1, death());
    await expect(fail(20, error)).resolves.toHaveLength(20);
  });
});

describe("Restarts - on a cluster", () => {
  test("a head that is away explains whatever death", async () => {
    restarts = new Restarts(`127.0.0.1:${await freePort()}`, () => now);
    await expect(fail(20, death())).resolves.toHaveLength(20);
  });

  test("a head that is there explains none, but that its Ray isn't whole yet", async () => {
    const head = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => head.once("listening", resolve));
    restarts = new Restarts(`127.0.0.1:${(head.address() as { port: number }).port}`, () => now);
    await expect(fail(20, death("RAY_START_FAILED"))).resolves.toHaveLength(20);
    await expect(fail(CRASHES, death())).rejects.toThrow("giving up");
    head.close();
  });
});
