import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/sync-worker.ts";
import { SmallDisk } from "./disk.ts";

test("small disk - what isn't mounted any more, or never was, isn't filled", async () => {
  const { path, remove } = await temporaryFolder();
  const disk = await SmallDisk.mount(join(path, "disk"), 1);
  if (disk.missing === null) {
    await disk.fill();
    expect(await readdir(disk.folder)).toContain("ballast-0");
    await disk.free();
    expect(await readdir(disk.folder)).toEqual([]);
  }
  await disk.unmount();
  await expect(disk.fill()).rejects.toThrow("is no small disk");
  expect(await readdir(disk.folder)).toEqual([]);
  await remove();
});
