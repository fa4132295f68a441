import { testIdleTransaction } from "../support/idle-transaction.ts";

await testIdleTransaction({ clean: 20, held: 120 });
