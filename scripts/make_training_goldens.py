#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "numpy"]
# ///
"""Writes what PyTorch makes of small random inputs, into test/goldens/training/golden.json.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/make_training_goldens.py

Everything is computed in double precision and written with 9 significant digits, so that the tolerances of the tests
are those of float32 arithmetic alone. Kernels are written [in, out] and under this project's names; PyTorch has
[out, in]. No two axes of an input have one size, so that a swapped axis cannot pass.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

FILE = Path(__file__).resolve().parent.parent / "test" / "goldens" / "training" / "golden.json"

torch.set_default_dtype(torch.float64)
torch.manual_seed(11)


def stored(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]}


def tree(tensors):
    return {name: stored(tensor) for name, tensor in tensors.items()}


def leaf(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def swapped(tensor):
    return tensor.t() if tensor.dim() == 2 else tensor


def cross_entropy():
    logits, targets = leaf(5, 7, scale=2.0), torch.tensor([3, 0, 6, 2, 2])
    cases = []
    for smoothing in (0.0, 0.1):
        loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
        (gradient,) = torch.autograd.grad(loss, logits)
        cases.append({"labelSmoothing": smoothing, "loss": stored(loss), "gradient": stored(gradient)})
    return {"logits": stored(logits), "targets": targets.tolist(), "cases": cases}


def adam(weight_decay):
    """`b` gets no gradient in steps 1, 3 and 4 (from 0): PyTorch leaves it, its moments and its step count alone."""
    parameters = {"a": leaf(2, 3), "b": leaf(4), "c": leaf(1, 5)}
    initial = tree(parameters)
    factors = [0.5, 1.0, 0.9, 0.7, 0.3, 0.1]
    rate = 0.05
    optimizer = torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=weight_decay)
    steps = []
    for step, factor in enumerate(factors):
        for name, parameter in parameters.items():
            parameter.grad = None if name == "b" and step in (1, 3, 4) else torch.randn_like(parameter)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        given = tree({name: p.grad for name, p in parameters.items() if p.grad is not None})
        optimizer.step()
        steps.append({"factor": factor, "gradients": given, "parameters": tree(parameters)})
    return {"learningRate": rate, "weightDecay": weight_decay, "initial": initial, "steps": steps}


def clipping():
    gradients = {"a": torch.randn(3, 2), "b": torch.randn(5)}
    cases = []
    for max_norm in (0.7, 50.0):
        leaves = {name: torch.zeros_like(g).requires_grad_() for name, g in gradients.items()}
        for name, parameter in leaves.items():
            parameter.grad = gradients[name].clone()
        norm = nn.utils.clip_grad_norm_(leaves.values(), max_norm)
        cases.append({"maxNorm": max_norm, "norm": stored(norm), "clipped": tree({n: p.grad for n, p in leaves.items()})})
    return {"gradients": tree(gradients), "cases": cases}


def lstm_names(cell, prefix=""):
    return {
        f"{prefix}input": cell.weight_ih,
        f"{prefix}hidden": cell.weight_hh,
        f"{prefix}inputBias": cell.bias_ih,
        f"{prefix}hiddenBias": cell.bias_hh,
    }


def linear_names(layer, prefix):
    return {f"{prefix}weight": layer.weight, f"{prefix}bias": layer.bias}


def exported(named, of=lambda tensor: tensor):
    """By our names and in our layout; the embedding is a table in both."""
    return {n: stored(of(t) if n == "embedding" else swapped(of(t))) for n, t in named.items()}


def weighted(*pairs):
    """A scalar whose gradient tells every output apart."""
    return sum((output * weights).sum() for output, weights in pairs)


def lstm():
    cell = nn.LSTMCell(5, 4)
    x, hidden, state = leaf(3, 5), leaf(3, 4), leaf(3, 4)
    after = cell(x, (hidden, state))
    weights = [torch.randn_like(t) for t in after]
    weighted(*zip(after, weights)).backward()
    return {
        "parameters": exported(lstm_names(cell)),
        "inputs": tree({"input": x, "hidden": hidden, "cell": state}),
        "outputs": tree({"hidden": after[0], "cell": after[1]}),
        "outputWeights": tree({"hidden": weights[0], "cell": weights[1]}),
        "gradients": {
            **exported(lstm_names(cell), lambda t: t.grad),
            **tree({"x": x.grad, "h": hidden.grad, "c": state.grad}),
        },
    }


class Attention(nn.Module):
    def __init__(self, query_size, feature_size, attention_size):
        super().__init__()
        self.features = nn.Linear(feature_size, attention_size)
        self.query = nn.Linear(query_size, attention_size)
        self.score = nn.Linear(attention_size, 1)

    def forward(self, query, features, key_padding_mask=None):
        """One row of features per row of the query."""
        hidden = torch.tanh(self.features(features) + self.query(query).unsqueeze(1))
        scores = self.score(hidden).squeeze(-1)
        if key_padding_mask is not None:
            scores = scores.masked_fill(key_padding_mask, float("-inf"))
        weights = torch.softmax(scores, -1)
        return (weights.unsqueeze(-1) * features).sum(1), weights

    def names(self, prefix=""):
        return {
            **linear_names(self.features, f"{prefix}features."),
            **linear_names(self.query, f"{prefix}query."),
            **linear_names(self.score, f"{prefix}score."),
        }


def attention(rows_per_image):
    images, positions, features_size, query_size, attention_size = 2, 5, 4, 3, 6
    model = Attention(query_size, features_size, attention_size)
    features, query = leaf(images, positions, features_size), leaf(images * rows_per_image, query_size)
    mask = torch.tensor([[0, 0, 1, 0, 1], [0, 0, 0, 0, 1]]).bool()
    repeat = lambda t: t.repeat_interleave(rows_per_image, 0)
    context, weights = model(query, repeat(features), repeat(mask))
    asked = [torch.randn_like(context), torch.randn_like(weights)]
    weighted((context, asked[0]), (weights, asked[1])).backward()
    return {
        "parameters": exported(model.names()),
        "inputs": tree({"features": features, "query": query, "keyPaddingMask": mask.double()}),
        "outputs": tree({"context": context, "weights": weights}),
        "outputWeights": tree({"context": asked[0], "weights": asked[1]}),
        "gradients": {**exported(model.names(), lambda t: t.grad), **tree({"x": features.grad, "q": query.grad})},
    }


class Decoder(nn.Module):
    """Show, Attend and Tell with a stack of LSTM layers, whose top one asks the attention."""

    def __init__(self, vocab, feature, embedding, hidden, attention_size, layers, deep):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.attention = Attention(hidden, feature, attention_size)
        self.init_hidden = nn.ModuleList(nn.Linear(feature, hidden) for _ in range(layers))
        self.init_cell = nn.ModuleList(nn.Linear(feature, hidden) for _ in range(layers))
        self.lstm = nn.ModuleList(
            nn.LSTMCell(embedding + feature if layer == 0 else hidden, hidden) for layer in range(layers)
        )
        self.gate = nn.Linear(hidden, feature)
        self.output = nn.Linear(embedding if deep else hidden, vocab)
        self.deep_hidden = nn.Linear(hidden, embedding) if deep else None
        self.deep_context = nn.Linear(feature, embedding, bias=False) if deep else None

    def forward(self, tokens, features):
        """tokens [rows, time], features [rows, positions, feature] -> logits [rows, time, vocab], weights"""
        mean = features.mean(1)
        hidden = [torch.tanh(layer(mean)) for layer in self.init_hidden]
        cell = [torch.tanh(layer(mean)) for layer in self.init_cell]
        logits, looked = [], []
        for t in range(tokens.shape[1]):
            word = self.embedding(tokens[:, t])
            context, weights = self.attention(hidden[-1], features)
            context = torch.sigmoid(self.gate(hidden[-1])) * context
            below = torch.cat([word, context], 1)
            for i, layer in enumerate(self.lstm):
                hidden[i], cell[i] = layer(below, (hidden[i], cell[i]))
                below = hidden[i]
            if self.deep_hidden is not None:
                below = torch.tanh(word + self.deep_hidden(below) + self.deep_context(context))
            logits.append(self.output(below))
            looked.append(weights)
        return torch.stack(logits, 1), torch.stack(looked, 1)

    def names(self):
        names = {"embedding": self.embedding.weight, **self.attention.names("attention.")}
        for i, cell in enumerate(self.lstm):
            names |= linear_names(self.init_hidden[i], f"init.{i}.hidden.")
            names |= linear_names(self.init_cell[i], f"init.{i}.cell.")
            names |= lstm_names(cell, f"lstm.{i}.")
        names |= linear_names(self.gate, "contextGate.") | linear_names(self.output, "output.")
        if self.deep_hidden is not None:
            names |= linear_names(self.deep_hidden, "deepOutput.hidden.")
            names["deepOutput.context"] = self.deep_context.weight
        return names


def decoder(layers, captions_per_image, deep):
    sizes = {"vocab": 11, "feature": 4, "embedding": 3, "hidden": 6, "attention_size": 7}
    model = Decoder(**sizes, layers=layers, deep=deep)
    images, positions, start, end, pad = 2, 5, 1, 2, 0
    features = leaf(images, positions, sizes["feature"])
    rows = images * captions_per_image
    lengths = [3, 1, 5, 2, 4, 3, 2, 1][:rows]
    captions = [torch.randint(3, sizes["vocab"], (length,)).tolist() for length in lengths]
    time = max(lengths) + 1
    tokens = torch.tensor([[start, *c] + [pad] * (time - 1 - len(c)) for c in captions])
    targets = torch.tensor([[*c, end] + [-100] * (time - 1 - len(c)) for c in captions])
    logits, weights = model(tokens, features.repeat_interleave(captions_per_image, 0))
    words = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, label_smoothing=0.1)
    looked = (weights * (targets != -100).unsqueeze(-1)).sum(1)
    spread = ((1 - looked) ** 2).mean()
    (words + spread).backward()
    return {
        "config": {
            "vocabSize": sizes["vocab"],
            "featureSize": sizes["feature"],
            "embeddingSize": sizes["embedding"],
            "hiddenSize": sizes["hidden"],
            "attentionSize": sizes["attention_size"],
            "numLayers": layers,
            "attentionActivation": "tanh",
            "contextGate": True,
            "deepOutput": deep,
            "initActivation": "tanh",
        },
        "special": {"startId": start, "endId": end, "padId": pad},
        "captions": captions,
        "labelSmoothing": 0.1,
        "features": stored(features),
        "parameters": exported(model.names()),
        "outputs": tree({"logits": logits, "weights": weights, "crossEntropy": words, "doublyStochastic": spread}),
        "gradients": {**exported(model.names(), lambda t: t.grad), "features": stored(features.grad)},
    }


def noise(shape, stream):
    """Numbers in [-1, 1) that both sides can write down: number i of a stream, row by row."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return ((torch.sin(12.9898 * i + 78.233 * stream) * 43758.5453) % 1 * 2 - 1).reshape(shape)


class MobileNetV2:
    """Table 2 of Sandler et al. 2018 with TensorFlow's paddings; weight k is noise(k) times sqrt(6 / fan in)."""

    def __init__(self):
        self.parameters = {}

    def convolve(self, name, x, outputs, size, stride=1, depthwise=False, activate=True):
        inputs = x.shape[1]
        shape = [size, size, inputs, 1 if depthwise else outputs]  # height, width, in, out
        fan_in = size * size * (1 if depthwise else inputs)
        weight = (noise(shape, len(self.parameters)) * (6 / fan_in) ** 0.5).requires_grad_()
        self.parameters[f"{name}.weight"] = weight
        bias = (0.1 * noise([outputs], len(self.parameters))).requires_grad_()
        self.parameters[f"{name}.bias"] = bias
        # Padding `same`: what is odd goes to the right and to the bottom.
        total = max((-(-x.shape[2] // stride) - 1) * stride + size - x.shape[2], 0)
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        kernel = weight.permute(2, 3, 0, 1) if depthwise else weight.permute(3, 2, 0, 1)
        y = F.conv2d(x, kernel, bias, stride, groups=inputs if depthwise else 1)
        return F.relu6(y) if activate else y

    def forward(self, x):
        x = self.convolve("stem", x, 32, 3, 2)
        block = 0
        table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
        for expansion, channels, repeats, first_stride in table:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                name, before = f"blocks.{block}", x
                if expansion > 1:
                    x = self.convolve(f"{name}.expand", x, x.shape[1] * expansion, 1)
                x = self.convolve(f"{name}.depthwise", x, x.shape[1], 3, stride, depthwise=True)
                x = self.convolve(f"{name}.project", x, channels, 1, activate=False)
                if stride == 1 and before.shape[1] == channels:
                    x = before + x
                block += 1
        return self.convolve("head", x, 1280, 1).permute(0, 2, 3, 1)


def mobilenet_v2():
    """Every 16th channel of the features of one picture of 64 x 64, and gradients of their sum times noise."""
    side, every = 64, 16
    model = MobileNetV2()
    pixels = noise([1, side, side, 3], 1000)
    features = model.forward(pixels.permute(0, 3, 1, 2)).flatten(1, 2)
    (features * noise(features.shape, 1001)).sum().backward()
    names = ["stem.weight", "blocks.1.depthwise.weight", "blocks.16.project.bias"]
    return {
        "imageSize": side,
        "every": every,
        "features": stored(features[:, :, ::every]),
        "gradients": {name: stored(model.parameters[name].grad) for name in names},
    }


def main():
    golden = {
        "torch": torch.__version__.split("+")[0],
        "crossEntropy": cross_entropy(),
        "adamW": [adam(0.1), adam(0.0)],
        "clipping": clipping(),
        "lstm": lstm(),
        "attention": [attention(1), attention(3)],
        "mobileNetV2": mobilenet_v2(),
        "decoder": [decoder(2, 1, False), decoder(2, 3, False), decoder(3, 4, True)],
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{FILE}: {FILE.stat().st_size} bytes")


main()
