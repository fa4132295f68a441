"""`python -m rayferry server`: a server that somebody starts by hand, on a node of the cluster, for a worker elsewhere.

On stdout comes one line of JSON each time it serves, `{"event": "serving", "endpoint": ..., "public_key": ...}`; the
log goes to stderr. When no worker renews its authority any more, it stops all work and starts over, for the next one;
with a Ray of its own it ends, with status 4.
"""

from __future__ import annotations

from rayferry.control import Control
from rayferry.endpoint import check_free, parse_endpoint
from rayferry.host import Host, check_packages
from rayferry.log import log_to_stderr
from rayferry.server_options import ServerOptions
from rayferry.start_over import StartOver


def run_standalone(options: ServerOptions) -> int:
    """The exit status. Raises StartError."""
    control = Control(log_to_stderr)
    start_over = StartOver(control.give_back)
    check_packages(options.runner)
    from rayferry.bridge.curve import CurveServer
    from rayferry.bridge.socket import RouterLink, check_plain

    # Before Ray, which takes seconds to start: what would be refused then is refused now.
    keys, endpoint = options.keys, options.endpoint
    curve = None if keys is None else CurveServer.from_files(keys, options.clients, log_to_stderr)
    check_plain(parse_endpoint(endpoint), encrypted=curve is not None, allow_plain=options.plain_tcp)
    check_free(endpoint)
    if curve is None and endpoint.startswith("tcp://"):
        log_to_stderr("warn", "INSECURE: this server has no keys, so whoever reaches its port may run any task.")
    public_key = None if curve is None else curve.pair.public

    def open_link() -> RouterLink:
        link = RouterLink(endpoint, curve, allow_plain=options.plain_tcp, log=log_to_stderr)
        start_over.listen = link.endpoint
        return link

    # With a Ray of our own the next life didn't come up within a minute: that one is left to a supervisor.
    Host(options, None if options.runner == "local" else start_over).run(
        open_link, lambda link: control.tell("serving", endpoint=link.endpoint, public_key=public_key)
    )
