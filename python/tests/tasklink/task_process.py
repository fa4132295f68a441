"""A task process without Ray, for tests: runs tasks of link_tasks under a hub's link, and prints how each ended.

python task_process.py ADDRESS(hex) EXECUTION ATTEMPTS TASK ARGUMENTS(json) TIMEOUT(json): fences 1 to
ATTEMPTS, one after another. Then it waits for the end of stdin. LINK_TASKS_MODULE and LINK_TASKS_FOLDER in its
environment: tasks of that module, in that folder, instead.
"""

import json
import os
import sys

from rayferry.execute import execute
from rayferry.member import Member, interrupts
from rayferry.outcome import encode_outcome
from rayferry.tasklink.attend import begin, end, link_to, watch
from rayferry.timeouts import Timeout

address, execution, attempts, name, arguments, limits = sys.argv[1:]
timeout = Timeout(*json.loads(limits)) if limits != "null" else None
module = os.environ.get("LINK_TASKS_MODULE", "link_tasks")
sys.path.append(os.environ.get("LINK_TASKS_FOLDER", ""))
interrupts.install()
for fence in range(1, int(attempts) + 1):
    link = link_to(bytes.fromhex(address), "worker", "node")
    member = Member(execution, fence, 1, link.report_of(execution, fence), timeout)
    outcome = begin(link, member, None)
    if outcome is None:
        watch(member)
        outcome = execute(module, name, "application/json", arguments.encode(), 1 << 20, member)
        end(link, member, encode_outcome(outcome))
    sys.stdout.write(
        f"{outcome.ending} {(outcome.value or b'').decode()} {outcome.error.code if outcome.error else ''}\n"
    )
sys.stdin.read()
link.close()
