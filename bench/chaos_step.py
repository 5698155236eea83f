"""A step of `bench/chaos.py --shared`: writes down when it begins and ends, and whether another runs at the same time.

python chaos_step.py FOLDER NAME SECONDS
"""

import fcntl
import os
import sys
import time
from pathlib import Path

from datavision_runtime import write_result


def main(folder: Path, name: str, seconds: float) -> None:
    place = folder / os.environ["DATAVISION_RUN_ID"]
    place.mkdir(exist_ok=True)
    with (place / name).open("a") as words, (place / f"{name}.lock").open("w") as lock:
        try:
            # The kernel releases it with the process, however that ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            words.write("overlap ")
        words.write("start ")
        words.flush()
        sys.stdout.write("started\n")
        time.sleep(seconds)
        write_result({"rows": 1})
        words.write("end ")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
