"""How long a message takes to a server on another node and back, straight and through its actor's handle.

python both_ways.py HEAD NODE_IP FOLDER, on the node NODE_IP of the cluster. Each message is a submit of a task that the
server doesn't know, and the answer to it: neither Ray nor a runner has a part in it.
"""

import statistics
import sys
import time
import uuid

from support import Worker

from rayferry.log import log_to_stderr
from rayferry.ray.environment import prepare_environment

head, node_ip, folder = sys.argv[1:]
prepare_environment(local=False)

from rayferry.ray.connect import Connection  # noqa: E402
from rayferry.ray.host_client import open_hosted  # noqa: E402
from rayferry.ray.hosting import HostOptions  # noqa: E402
from rayferry.reach import Ways  # noqa: E402

ROUNDS, PAUSE = 100, 0.02
FRAMES, BATCH = 100, 100


def submits(count):
    return [
        ["submit", str(uuid.uuid4()), 1, 1, "nobody.knows", "application/json", b"[]", None, 0.0, {}]
        for _ in range(count)
    ]


def await_rejected(worker, count):
    left = count
    while left:
        worker.wait(1.0)
        left -= sum(message[0] == "rejected" for message in worker.inbox)
        worker.inbox.clear()


def measure(name, way):
    curve = way.curve and (way.curve["serverKey"], way.curve["publicKey"], way.curve["secretKey"])
    with Worker(way.endpoint, curve=curve) as worker:
        worker.greet()
        times = []
        for _ in range(ROUNDS):
            # As an idle worker's: each for itself.
            time.sleep(PAUSE)
            began = time.perf_counter()
            worker.send(*submits(1))
            await_rejected(worker, 1)
            times.append((time.perf_counter() - began) * 1000)
        frames = [submits(BATCH) for _ in range(FRAMES)]
        began = time.perf_counter()
        for frame in frames:
            worker.send(*frame)
        await_rejected(worker, FRAMES * BATCH)
        rate = FRAMES * BATCH / (time.perf_counter() - began)
        worker.send(["close", "measured", False])
    tenths = statistics.quantiles(times, n=10)
    sys.stdout.write(
        f"{name}: round trip {statistics.median(times):.1f} ms (tenths {tenths[0]:.1f} to {tenths[-1]:.1f}), "
        f"{rate:,.0f} submits/s in frames of {BATCH}\n"
    )


Connection(address=head, modules=["sample_tasks"], node_ip=node_ip).open()
options = HostOptions("figures", ["sample_tasks"], 1 << 20, 60.0)
server = open_hosted("rayferry:figures:d:figures", options, "head", log_to_stderr)
ways = Ways(f"ipc://{folder}/ways", log_to_stderr)
straight = ways.to(server)
assert straight.curve is not None
measure("straight", straight)
measure("relayed", ways._relay(server))
ways.remove_files()
