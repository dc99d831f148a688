"""kill -9 at random moments, for both manners of a server.

    python -m tests.bench.kill [--points 200] [--seed 0]

A bot with an SQLiteStore is killed while four users write 250 messages a second, started again, killed again …; then a
last one finishes. Aims: lost 0; each kill hands over again at most the one message of each user that was being handled;
order kept; every repetition marked. A server that forgets what it handed out can lose what was on its way to a process
that died before the store had it: no client can prevent that, so it is counted apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.bench.killing import kill_series, nursery_process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for manner in ("replays", "forgets"):
        with tempfile.TemporaryDirectory() as folder, nursery_process(Path(folder)) as process:
            began = time.perf_counter()
            tally = kill_series(process, manner, options.points, Path(folder), options.seed)
            print(f"a server that {manner}: {tally} ({time.perf_counter() - began:.0f} s)")
            for offender in (*tally.too_often, *tally.out_of_order, *tally.unmarked, *tally.violations)[:10]:
                print("   ", offender)


if __name__ == "__main__":
    main()
