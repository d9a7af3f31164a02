#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "numpy"]
# ///
"""The model of epoch.bench.ts in plain PyTorch, eager, on the CPU; run by it.

    python bench/epoch_pytorch.py FOLDER THREADS

FOLDER holds plan.json, model.safetensors and the features that the plan names. Prints one line of JSON.
"""

import json
import resource
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read_safetensors(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[begin:end], dtype=np.float32).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


class Captioner(nn.Module):
    """Show, Attend and Tell: additive attention, context gate, one LSTM layer."""

    def __init__(self, config, dropout):
        super().__init__()
        features, hidden = config["featureSize"], config["hiddenSize"]
        embedding, attention = config["embeddingSize"], config["attentionSize"]
        self.embedding = nn.Embedding(config["vocabSize"], embedding)
        self.key = nn.Linear(features, attention)
        self.query = nn.Linear(hidden, attention)
        self.score = nn.Linear(attention, 1)
        self.init_hidden = nn.Linear(features, hidden)
        self.init_cell = nn.Linear(features, hidden)
        self.gate = nn.Linear(hidden, features)
        self.lstm = nn.LSTMCell(embedding + features, hidden)
        self.output = nn.Linear(hidden, config["vocabSize"])
        self.dropout = nn.Dropout(dropout)

    def forward(self, features, tokens, wanted):
        """features [pictures, positions, features], tokens [rows, time], rows a multiple of pictures."""
        pictures, positions, _ = features.shape
        rows, steps = tokens.shape
        keys = self.key(features).unsqueeze(1)  # [pictures, 1, positions, attention]
        mean = features.mean(1)
        repeat = lambda x: x.repeat_interleave(rows // pictures, 0)
        hidden, cell = repeat(torch.tanh(self.init_hidden(mean))), repeat(torch.tanh(self.init_cell(mean)))
        words = self.dropout(self.embedding(tokens))
        spoken, looked = [], []
        for t in range(steps):
            asked = self.query(hidden).view(pictures, -1, 1, keys.shape[-1])
            weights = torch.softmax(self.score(torch.tanh(keys + asked)).squeeze(-1), -1)
            context = torch.sigmoid(self.gate(hidden)) * torch.bmm(weights, features).view(rows, -1)
            hidden, cell = self.lstm(torch.cat([words[:, t], context], 1), (hidden, cell))
            spoken.append(hidden)
            looked.append(weights.view(rows, positions))
        chosen = torch.stack(spoken, 1).flatten(0, 1)[wanted]
        return self.output(self.dropout(chosen)), torch.stack(looked, 1)

    def load(self, tensors):
        named = {
            "embedding.weight": tensors.pop("embedding"),
            "lstm.weight_ih": tensors.pop("lstm.0.input").t(),
            "lstm.weight_hh": tensors.pop("lstm.0.hidden").t(),
            "lstm.bias_ih": tensors.pop("lstm.0.inputBias"),
            "lstm.bias_hh": tensors.pop("lstm.0.hiddenBias"),
        }
        layers = {
            "attention.features": "key",
            "attention.query": "query",
            "attention.score": "score",
            "init.0.hidden": "init_hidden",
            "init.0.cell": "init_cell",
            "contextGate": "gate",
            "output": "output",
        }
        for path, layer in layers.items():
            named[f"{layer}.weight"] = tensors.pop(f"{path}.weight").t()
            named[f"{layer}.bias"] = tensors.pop(f"{path}.bias")
        assert not tensors, f"weights that nothing took: {list(tensors)}"
        self.load_state_dict(named)


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(7)
    plan = json.loads((folder / "plan.json").read_text())
    recipe, config = plan["recipe"], plan["config"]
    stored = np.memmap(plan["features"], dtype=np.float16, mode="r")
    stored = stored.reshape(-1, plan["positions"], config["featureSize"])
    model = Captioner(config, recipe["dropout"])
    model.load(read_safetensors(folder / "model.safetensors"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe["learningRate"], weight_decay=recipe["weightDecay"])

    def step(batch, learn):
        features = torch.from_numpy(stored[batch["pictures"]].astype(np.float32))
        shape = (batch["rows"], batch["time"])
        tokens = torch.tensor(batch["inputs"]).view(shape)
        mask = torch.tensor(batch["mask"], dtype=torch.float32).view(shape)
        optimizer.zero_grad(set_to_none=True)
        logits, weights = model(features, tokens, torch.tensor(batch["wanted"]))
        words = F.cross_entropy(logits, torch.tensor(batch["targets"]), label_smoothing=recipe["labelSmoothing"])
        spread = ((1 - (weights * mask.unsqueeze(-1)).sum(1)) ** 2).mean()
        loss = words + recipe["doublyStochastic"] * spread
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), recipe["clipNorm"])
        if learn:
            optimizer.step()
        return {"loss": loss.item(), "gradientNorm": norm.item()}

    model.eval()
    check = step(plan["batches"][0], False)
    model.train()
    milliseconds = []
    for index, batch in enumerate(plan["batches"]):
        started = time.perf_counter()
        step(batch, True)
        if index >= plan["warmup"]:
            milliseconds.append((time.perf_counter() - started) * 1000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    engine = f"PyTorch {torch.__version__} eager, {torch.get_num_threads()} threads"
    print(json.dumps({"engine": engine, "check": check, "milliseconds": milliseconds, "peakBytes": peak}))


main()
