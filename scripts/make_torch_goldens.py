"""
Makes test/goldens/torch: files of torch.save in every form that src/io/torchSource.ts reads or refuses, and what is in them.

  pip install torch
  python scripts/make_torch_goldens.py
"""

import collections
import json
import os
import pathlib
import pickle

import torch

folder = pathlib.Path(__file__).resolve().parent.parent / "test" / "goldens" / "torch"
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(3)

base = torch.randn(4, 6)
tensors = collections.OrderedDict(
    rows=torch.randn(3, 5),
    transposed=base.t(),
    part=base[1:3, 2:5],
    every_second=torch.arange(12.0)[1::2],
    scalar=torch.tensor(2.5),
    empty=torch.zeros(0, 4),
    half=torch.randn(2, 3).half(),
    brain=torch.randn(2, 3).bfloat16(),
    double=torch.randn(2, dtype=torch.float64),
    long=torch.tensor([[1, -2], [3, 2**40]]),
    int=torch.tensor([1, -2], dtype=torch.int32),
    short=torch.tensor([1, -2], dtype=torch.int16),
    char=torch.tensor([1, -2], dtype=torch.int8),
    byte=torch.tensor([1, 255], dtype=torch.uint8),
    bool=torch.tensor([True, False]),
    parameter=torch.nn.Parameter(torch.randn(3)),
)
tensors["tied"] = tensors["rows"]
module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))

saved = {
    "today": (tensors, {}),
    "protocol4": (tensors, {"pickle_protocol": 4}),
    "before_1_6": (tensors, {"_use_new_zipfile_serialization": False}),
    "module": (module.state_dict(), {}),
    "nested": ({"epoch": 3, "lr": 0.1, "note": "x", "model": {"encoder": dict(weight=base), "done": True}}, {}),
}
for name, (value, options) in saved.items():
    torch.save(value, folder / f"{name}.bin", **options)


def listed(tensor):
    flat = tensor.detach().reshape(-1)
    return {"shape": list(tensor.shape), "values": (flat if flat.dtype == torch.int64 else flat.double()).tolist()}


expected = {
    "tensors": {name: listed(tensor) for name, tensor in tensors.items()},
    "module": {name: listed(tensor) for name, tensor in module.state_dict().items()},
    "nested": {"model.encoder.weight": listed(base)},
}
(folder / "expected.json").write_text(json.dumps(expected))


class Command:
    """What a pickle may ask Python to do."""

    def __reduce__(self):
        return os.system, ("echo executed",)


torch.save({"weight": base, "more": Command()}, folder / "command.bin")
torch.save({"weight": base, "more": Command()}, folder / "command_before_1_6.bin", _use_new_zipfile_serialization=False)
torch.save(module, folder / "whole_module.bin")
torch.save({"weight": torch.zeros(1).expand(1000, 1000, 1000)}, folder / "expanded.bin")
torch.save({"epoch": 3}, folder / "no_tensors.bin")
torch.save({"weight": torch.randn(2, dtype=torch.complex64)}, folder / "complex.bin")
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "script.bin")
(folder / "plain_pickle.bin").write_bytes(pickle.dumps({"weight": [1, 2, 3]}, protocol=2))
