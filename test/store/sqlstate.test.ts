import { expect, test } from "vitest";
import { STARTUP_PARAMETER, verdictOn } from "../../src/store/sqlstate.ts";

test.each([
  ["40P01", "AT_ONCE"],
  ["57P01", "AT_ONCE"],
  ["08006", "AT_ONCE"],
  ["08P01", "LATER"],
  ["55P03", "LATER"],
  ["57014", "LATER"],
  ["53100", "LATER"],
  ["53200", "LATER"],
  ["53300", "LATER"],
  ["57P03", "LATER"],
  ["25006", "LATER"],
  ["ECONNREFUSED", "LATER"],
  ["22P05", "CONTENT"],
  ["23514", "CONTENT"],
  ["54000", "CONTENT"],
  ["42P01", "GIVE_UP"],
  ["RF001", "GIVE_UP"],
  [STARTUP_PARAMETER, "GIVE_UP"],
  // No code of Postgres, though it begins like one.
  ["2204", "GIVE_UP"],
  ["", "GIVE_UP"],
  ["constructor", "GIVE_UP"],
])("verdictOn - %j: %s", (code, remedy) => {
  expect(verdictOn(code).remedy).toBe(remedy);
});
