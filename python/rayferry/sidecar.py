"""The sidecar: the process that a worker starts to host a server, or to watch the actor that does."""

from __future__ import annotations

from rayferry import life
from rayferry.control import Control
from rayferry.endpoint import check_free
from rayferry.host import Host, check_packages
from rayferry.hosted import HostedSidecar
from rayferry.log import log_to_stderr
from rayferry.sidecar_options import Options


def run_sidecar(options: Options) -> int:
    """The exit status. Raises StartError."""
    control = Control(log_to_stderr)
    check_packages(options.runner)
    return _watch_actor(options, control) if options.hosted else _host(options, control)


def _host(options: Options, control: Control) -> int:
    from rayferry.bridge.socket import RouterLink

    # Before Ray, which takes seconds to start: what would be refused then is refused now.
    check_free(options.endpoint)
    host = Host(options)
    control.listen(lambda command: None, host.end)
    host.run(
        lambda: RouterLink(options.endpoint, log=log_to_stderr),
        lambda link: control.tell("serving", endpoint=link.endpoint, curve=None, actor=None),
    )


def _watch_actor(options: Options, control: Control) -> int:
    from rayferry.ray.environment import prepare_environment

    prepare_environment(local=False)
    sidecar = HostedSidecar(options, control)
    control.listen(sidecar.take, sidecar.end)
    life.watch_signals(sidecar.end)
    return sidecar.run()
