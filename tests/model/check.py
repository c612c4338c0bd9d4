"""Holds the services against the model: to generated scenarios `vigia simulate` must give the model's answers.

    VIGIA_BIN=target/debug/vigia python tests/model/check.py DIRECTORY [COUNT]

writes COUNT scenarios (seeds 1 to COUNT; 24 unless told) into the directory, where they stay. The last line says how
many expectations there were and how many differ; an event that is refused where the model accepts it differs too.
"""

import json
import os
import subprocess
import sys
from multiprocessing import Pool
from pathlib import Path

import generate

SEEDS = 24


def write(task):
    path, seed = task
    path.write_text(generate.generate(seed), encoding="utf-8")
    return path


def differences(answer):
    if not answer["asked"] and answer["got"].get("refused"):
        return [f"refused: {answer['got']['refused']}, where the model accepts it"]
    return answer["differs"]


def main(directory, count):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tasks = [(directory / f"seed-{seed:04}.yaml", seed) for seed in range(1, count + 1)]
    with Pool() as pool:
        files = pool.map(write, tasks, chunksize=1)
    played = subprocess.run(
        [os.environ["VIGIA_BIN"], "simulate", "-o", "json", *files], stdout=subprocess.PIPE, check=False
    )
    outcomes = json.loads(played.stdout)
    differ = 0
    for scenario in outcomes["scenarios"]:
        for answer in scenario["answers"]:
            found = differences(answer)
            differ += bool(found)
            for difference in found:
                print(f"{scenario['file']} · {answer['at']} · {answer['about']}\n    {difference}")
    # Questions, and events that must be refused, as the runner counts them.
    print(f"{outcomes['expectations']} expectations, {differ} differ")
    return differ == 0


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS) else 1)
