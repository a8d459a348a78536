"""`python -m benchmarks.peers.durable MODULE COMMAND`: what makes tables, does jobs until SIGTERM, or serves a port."""

import asyncio
import sys
from importlib import import_module

from benchmarks.peers.durable.door import serve


def main(module: str, command: str, *arguments: str) -> None:
    """`prepare`, `work` or `door PORT`."""
    product = import_module(f"benchmarks.peers.durable.{module}")
    if command == "door":
        serve(product.opened, int(*arguments))
    else:
        asyncio.run(getattr(product, command)())


if __name__ == "__main__":
    main(*sys.argv[1:])
