"""A RayRunner in a process of its own, to be stopped: runs `journal` and grants authority again and again.

python driver.py FOLDER GRANT_SECONDS
"""

import sys
import time
from pathlib import Path

from recording import submit

from rayferry.log import log_to_stderr
from rayferry.ray.environment import prepare_environment

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
prepare_environment(True)

from rayferry.ray.connect import Connection  # noqa: E402
from rayferry.ray.runner import RayRunner  # noqa: E402

runner = RayRunner(Connection(None, ["link_tasks"], str(folder / "r"), 1), ["link_tasks"], 1 << 20, log_to_stderr)
runner.start()
runner.grant(seconds)
_, events = submit(runner, "journal", str(folder / "journal"))
(folder / "pid").write_text(str(events.place().pid))
while not (folder / "end").exists():
    runner.grant(seconds)
    time.sleep(0.2)
(folder / "outcome").write_text(events.outcome().ending if events.over.is_set() else "none")
runner.stop()
