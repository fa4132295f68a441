import { test } from "vitest";
import { fuzzDecoders } from "../support/frame-fuzz.ts";

test("decodeEnvelope - of damaged and invented frames, a frame or BridgeError", () => {
  fuzzDecoders(20_000);
});
