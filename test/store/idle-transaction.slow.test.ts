import { testIdleTransaction } from "../support/idle-transaction.ts";

await testIdleTransaction({ clean: 2, held: 10, rate: 2_000 });
