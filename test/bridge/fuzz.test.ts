import { test } from "vitest";
import { rounds } from "../support/effort.ts";
import { fuzzDecoders } from "../support/frame-fuzz.ts";

test("decodeEnvelope - of damaged and invented frames, a frame or BridgeError", () => {
  fuzzDecoders(rounds(20_000, 4_000));
});
