#!/usr/bin/env python3
"""What content codings make of playlists: bytes, and the processor's time for each.

    scripts/codings.py PLAYLIST...     needs `pip install brotli zstandard`; docs/adr/0024 says the rest
"""

import sys
import time
import timeit
import zlib

import brotli
import zstandard


def gzip(data, level):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


CODINGS = {
    "gzip 1": lambda data: gzip(data, 1),
    "gzip 6": lambda data: gzip(data, 6),
    "brotli 5": lambda data: brotli.compress(data, quality=5),
    "brotli 11": lambda data: brotli.compress(data, quality=11),
    "zstd 3": zstandard.ZstdCompressor(level=3).compress,
}


def microseconds(pack, data):
    """The quickest of several rounds: whatever else the machine does only adds."""
    timer = timeit.Timer(lambda: pack(data), timer=time.process_time)
    runs, _ = timer.autorange()
    return min(timer.repeat(5, runs)) / runs * 1e6


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        data = file.read()
    print(f"{path.rsplit('/', 1)[-1]}: {len(data)} bytes")
    for name, pack in CODINGS.items():
        print(f"  {name:<10} {len(pack(data)):>6} bytes {microseconds(pack, data):>9.1f} µs")
