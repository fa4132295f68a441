import type { Command } from "commander";
import { KEY_ROLES, type KeyRole, makeKeyPair, writeKeyPair } from "../../bridge/src/index.ts";
import { ConfigurationError } from "../errors.ts";
import { didYouMean } from "../suggest.ts";
import { type CommonOptions, print } from "./context.ts";

const DEFAULT_FOLDER = "rayferry-keys";

interface Options extends CommonOptions {
  readonly out: string;
  readonly name?: string;
  readonly role?: string;
}

interface Made {
  readonly role: KeyRole;
  readonly name: string;
  readonly public_key: string;
  readonly key_file: string;
  readonly public_file: string;
}

export function keysCommand(program: Command): void {
  program
    .command("keys")
    .description("make CURVE keys for a server and its workers; writes over nothing")
    .option("--out <dir>", "folder for the files", DEFAULT_FOLDER)
    .option("--name <name>", "one pair, NAME.key and NAME.pub, instead of server and client")
    .option("--role <role>", "of the one that --name names: server or client (default: client)")
    .option("--json", "one JSON document on stdout")
    .option("--verbose", "stack traces")
    .action((options: Options) => {
      const made = pairsOf(options).map(([role, name]) => make(options.out, role, name));
      print(options, { keys: made }, made.map(describe).join("\n"));
    });
}

function pairsOf({ name, role = "client" }: Options): readonly (readonly [KeyRole, string])[] {
  const known = KEY_ROLES.find((each) => each === role);
  if (known === undefined)
    throw new ConfigurationError(
      `--role takes server or client, not ${JSON.stringify(role)}.${didYouMean(role, KEY_ROLES)}`,
    );
  if (name === undefined) return KEY_ROLES.map((each) => [each, each]);
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name))
    throw new ConfigurationError(
      `--name takes 1 to 63 of the characters A-Z a-z 0-9 _ . -, like worker-2, not ${JSON.stringify(name)}.`,
    );
  return [[known, name]];
}

function make(folder: string, role: KeyRole, name: string): Made {
  const pair = makeKeyPair();
  const { keyFile, publicFile } = writeKeyPair(folder, role, name, pair);
  return { role, name, public_key: pair.publicKey, key_file: keyFile, public_file: publicFile };
}

function describe({ role, key_file, public_file }: Made): string {
  return role === "server"
    ? `${key_file}  secret, for the server alone: python -m rayferry server --keys\n${public_file}  for the workers: rayferry worker --server-key`
    : `${key_file}  secret, for the worker alone: rayferry worker --keys\n${public_file}  for the server: python -m rayferry server --clients`;
}
