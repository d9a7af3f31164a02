#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.6", "numpy", "transformers>=4.50,<4.58"]
# ///
"""PyTorch, eager, on the CPU, as an engine of the benchmarks: asked line by line on standard input; see processes.ts.

    python bench/pytorch/engine.py FOLDER THREADS
"""

import json
import resource
import sys
import time
from pathlib import Path

import captioner
import encoders
import pretrained
import torch

WORK = {
    "trainStep": captioner.train_step,
    "beam": captioner.beam,
    "encoder": encoders.encoder,
    "epoch": captioner.epoch,
    "pretrained": pretrained.captions,
}


def answer(value):
    print(json.dumps(value), flush=True)


def one_round(run, seconds):
    started = time.perf_counter()
    runs = 0
    while True:
        run()
        runs += 1
        passed = time.perf_counter() - started
        if passed >= seconds:
            return {"milliseconds": passed * 1000 / runs}


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(7)
    answer({"engine": f"PyTorch {torch.__version__} eager, {torch.get_num_threads()} threads"})
    check, run = WORK[json.loads((folder / "plan.json").read_text())["kind"]](folder)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ask"] == "check":
            answer(check())
        elif asked["ask"] == "round":
            answer(one_round(run, asked["seconds"]))
        elif asked["ask"] == "peak":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer({"peakBytes": peak * (1 if sys.platform == "darwin" else 1024)})
        else:
            raise ValueError(f"PyTorch is not asked to {asked['ask']}.")


main()
