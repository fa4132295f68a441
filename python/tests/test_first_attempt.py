"""The first attempt of a process: Ray's interrupt tears nothing of what is imported for it."""

import os
import subprocess
import sys

from support import PACKAGE

PROCESS = """
import _thread, sys
from ray import cloudpickle

class Cancel:
    '''Ray's interrupt, at each module of ours.'''
    came = []

    def find_spec(self, name, path=None, target=None):
        if name.startswith("rayferry"):
            self.came.append(name)
            _thread.interrupt_main()

sys.meta_path.insert(0, Cancel())
run = cloudpickle.loads(bytes.fromhex(sys.argv[1]))
assert not Cancel.came, Cancel.came
try:
    run(b"")
except Exception as error:
    assert type(error).__name__ == "DecodeError", error
assert "rayferry.execute" in Cancel.came
"""


def test_interrupt_while_a_process_imports_the_wrapper_tears_nothing():
    env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    make = (
        "from ray import cloudpickle; from rayferry.ray.wrapper import shielded\n"
        "print(cloudpickle.dumps(shielded()).hex())"
    )
    made = subprocess.run([sys.executable, "-c", make], env=env, capture_output=True, text=True, check=True)
    command = [sys.executable, "-c", PROCESS, made.stdout.strip()]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
