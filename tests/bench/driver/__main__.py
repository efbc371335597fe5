"""Called by tests/bench/run."""

import os
import sys

from figures import ALL
from processes import LOAD_CORE, say


def main(names):
    figures = {figure.__name__: figure for figure in ALL}
    unknown = [name for name in names if name not in figures]
    if unknown:
        raise SystemExit(f"there is no figure {', '.join(unknown)}; there are {', '.join(figures)}")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    # The driver asks and waits: it belongs to the load.
    os.sched_setaffinity(0, {LOAD_CORE})
    for name in names or figures:
        say(f"{name} (load average {os.getloadavg()[0]:.1f})")
        for line in figures[name]():
            print(*line, flush=True)


main(sys.argv[1:])
