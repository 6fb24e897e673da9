"""A program that copies a database and tells its progress, so that it can be killed on the way.

`python -m tests.storage.copier SOURCE TARGET BATCH_SIZE [BYTES]`; no file of the target may take
more bytes than those. After each line that it writes it waits for one, or for the end of its input.
"""

from __future__ import annotations

import resource
import signal
import sys

from docmap import connect
from docmap.storage.copying import copy


def tell(count: int) -> None:
    sys.stdout.write(f"{count}\n")
    sys.stdout.flush()
    sys.stdin.readline()  # it is not done before it is killed, however slow who reads this is


def main(source: str, target: str, batch_size: str, most: str = "") -> None:
    with connect(source) as one, connect(target) as other:
        one.ping()
        if most:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
        copy(one, other, batch_size=int(batch_size), progress=tell)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
