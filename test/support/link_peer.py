"""The server's real socket for tests of the worker's: echoes frames, and prints what it logs as lines of JSON.

One argument of JSON: {endpoint, pair: [public, secret] or null, clients: [public key]}. The first line says where it listens.
"""

import json
import sys

from rayferry.bridge.curve import CurveServer
from rayferry.bridge.socket import RouterLink
from rayferry.keys import KeyPair


class Known:
    def __init__(self, keys):
        self.keys = keys

    def allows(self, public_key):
        return public_key in self.keys


def log(level, msg, /, **fields):
    print(json.dumps({"level": level, "msg": msg, **fields}), flush=True)


options = json.loads(sys.argv[1])
curve = None if options["pair"] is None else CurveServer(KeyPair(*options["pair"]), Known(options["clients"]))
link = RouterLink(options["endpoint"], curve, log=log)
print(json.dumps({"endpoint": link.endpoint}), flush=True)
while True:
    for peer, frame in link.receive(1.0):
        link.send(peer, frame)
