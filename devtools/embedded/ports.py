"""Find free TCP ports on the loopback address."""

import random
import socket
from itertools import islice

LOOPBACK = "127.0.0.1"

# Below the ports that systems give to outgoing connections (32768 on Linux, 49152 elsewhere): one
# of those could take a port between its choice here and the server's start.
_PORTS = range(10_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 that are free at this moment."""
    candidates = iter(random.SystemRandom().sample(_PORTS, len(_PORTS)))
    return list(islice(filter(is_port_free, candidates), count))


def is_port_free(port: int) -> bool:
    """Return whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As the servers do: connections of the previous run in TIME_WAIT do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
