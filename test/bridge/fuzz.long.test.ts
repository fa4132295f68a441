import { test } from "vitest";
import { fuzzDecoders } from "../support/frame-fuzz.ts";

test("decodeEnvelope - of a million damaged and invented frames, a frame or BridgeError", () => {
  fuzzDecoders(1_000_000);
});
