"""WeCom: the memory that save_file takes for 200 MiB, over the connected client.

python -m tests.bench.bench_download [--mib 200]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time

from tests.bench.memory import peak_memory
from tests.bench.sim_process import AIBOT, sim_process
from wxsdk import WSClient, WSClientOptions, WsFrame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=200)
    size = parser.parse_args().mib * 2**20
    with sim_process(AIBOT) as sim, tempfile.TemporaryDirectory() as folder:
        facts = sim.facts
        options = WSClientOptions(
            facts["bot_id"], facts["secret"], ws_url=facts["ws_url"], max_download_bytes=2 * size, request_timeout=60
        )
        client, frames, came = WSClient(options), [], threading.Event()

        @client.on_message_file
        def keep(frame: WsFrame) -> None:
            frames.append(frame)
            came.set()

        with client:
            sim.tell(f"sim.user('u').sends(Generated({size}), kind='file', name='big.bin')")
            assert came.wait(60)
            media = frames[0].body.file
            began = time.perf_counter()
            with peak_memory() as peak:
                path = client.save_file(media.url, media.aeskey, folder)
            took = time.perf_counter() - began
            assert path.stat().st_size == size
    print(f"save_file of {size / 2**20:.0f} MiB: {took:.2f} s, {peak} over the idle client (aim <= 16 MiB)")


if __name__ == "__main__":
    main()
