"""Weights and data that bench/jobs wrote."""

import json

import numpy as np
import torch


def read_plan(folder):
    return json.loads((folder / "plan.json").read_text())


def read_safetensors(path):
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            values = np.fromfile(file, np.float32, (end - begin) // 4)
            tensors[name] = torch.from_numpy(values).view(entry["shape"])
    return tensors


def read_weights(folder):
    return read_safetensors(folder / "weights.safetensors")


def read_input(folder):
    return read_safetensors(folder / "input.safetensors")["input"]
