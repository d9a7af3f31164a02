#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "numpy"]
# ///
"""Writes what PyTorch makes of attention mechanisms, of recurrent cells and of the decoders around them, values and
gradients, into test/goldens/attention: mechanisms.json and decoders.json.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/make_attention_goldens.py

Everything is computed in double precision and written with 8 significant digits, so that the tolerances of the tests
are those of float32 arithmetic alone. Parameters are written under this project's names and in its layout: kernels
[in, out], PyTorch has [out, in]. No two axes of an input have one size, so that a swapped axis cannot pass.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "test" / "goldens" / "attention"

torch.set_default_dtype(torch.float64)
torch.manual_seed(23)

same = lambda t: t
turned = lambda t: t.t()


def stored(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{x:.8g}") for x in tensor.detach().flatten().tolist()]}


def tree(tensors):
    return {name: stored(tensor) for name, tensor in tensors.items()}


def leaf(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def exported(names, of=same):
    """names: our path -> (PyTorch's parameter, how it becomes ours)"""
    return {path: stored(convert(of(parameter))) for path, (parameter, convert) in names.items()}


def gradient_of(parameter):
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def linear_names(layer, prefix):
    names = {f"{prefix}.weight": (layer.weight, turned)}
    return names if layer.bias is None else names | {f"{prefix}.bias": (layer.bias, same)}


def cell_names(cell, prefix):
    return {
        f"{prefix}.input": (cell.weight_ih, turned),
        f"{prefix}.hidden": (cell.weight_hh, turned),
        f"{prefix}.inputBias": (cell.bias_ih, same),
        f"{prefix}.hiddenBias": (cell.bias_hh, same),
    }


def bare(names):
    """A layer without a bias is a matrix here: its name ends where the layer's ends."""
    return {path.removesuffix(".weight"): entry for path, entry in names.items()}


def softmax(scores, mask):
    return torch.softmax(scores if mask is None else scores.masked_fill(mask, float("-inf")), -1)


def seen(weights, values):
    """weights [rows, positions], values [rows, positions, size] -> [rows, size]"""
    return torch.bmm(weights.unsqueeze(1), values).squeeze(1)


# Mechanisms: one row of features per row of the query. `forward` gives context, weights, and what the next step gets.


class Additive(nn.Module):
    def __init__(self, query, feature, attention, **_):
        super().__init__()
        self.features, self.query = nn.Linear(feature, attention), nn.Linear(query, attention)
        self.score = nn.Linear(attention, 1)

    def scores(self, query, features):
        return self.score(torch.tanh(self.features(features) + self.query(query).unsqueeze(1))).squeeze(-1)

    def forward(self, query, features, mask=None, **_):
        weights = softmax(self.scores(query, features), mask)
        return seen(weights, features), weights, None

    def names(self, at):
        parts = [("features", self.features), ("query", self.query), ("score", self.score)]
        return {k: v for name, layer in parts for k, v in linear_names(layer, f"{at}{name}").items()}


class Dot(nn.Module):
    def __init__(self, **_):
        super().__init__()

    def forward(self, query, features, mask=None, **_):
        weights = softmax(torch.bmm(features, query.unsqueeze(2)).squeeze(2), mask)
        return seen(weights, features), weights, None

    def names(self, at):
        return {}


class General(nn.Module):
    def __init__(self, query, feature, **_):
        super().__init__()
        self.key = nn.Bilinear(query, feature, 1, bias=False)

    def forward(self, query, features, mask=None, **_):
        asked = query.unsqueeze(1).expand(-1, features.shape[1], -1).contiguous()
        weights = softmax(self.key(asked, features).squeeze(-1), mask)
        return seen(weights, features), weights, None

    def names(self, at):
        return {f"{at}key": (self.key.weight, lambda t: t[0].t())}


class Concat(nn.Module):
    def __init__(self, query, feature, attention, **_):
        super().__init__()
        self.size = query
        self.joint, self.score = nn.Linear(query + feature, attention, bias=False), nn.Linear(attention, 1, bias=False)

    def forward(self, query, features, mask=None, **_):
        joined = torch.cat([query.unsqueeze(1).expand(-1, features.shape[1], -1), features], -1)
        weights = softmax(self.score(torch.tanh(self.joint(joined))).squeeze(-1), mask)
        return seen(weights, features), weights, None

    def names(self, at):
        return {
            f"{at}query": (self.joint.weight, lambda t: t[:, : self.size].t()),
            f"{at}key": (self.joint.weight, lambda t: t[:, self.size :].t()),
            f"{at}score": (self.score.weight, turned),
        }


class ScaledDot(nn.Module):
    def __init__(self, query, feature, attention, **_):
        super().__init__()
        self.query, self.key = nn.Linear(query, attention), nn.Linear(feature, attention)

    def forward(self, query, features, mask=None, **_):
        asked, keys = self.query(query).unsqueeze(1), self.key(features)
        bias = None if mask is None else ~mask.unsqueeze(1)
        context = F.scaled_dot_product_attention(asked, keys, features, attn_mask=bias)
        eye = torch.eye(features.shape[1]).expand(len(query), -1, -1)
        weights = F.scaled_dot_product_attention(asked, keys, eye, attn_mask=bias)
        return context.squeeze(1), weights.squeeze(1), None

    def names(self, at):
        return linear_names(self.query, f"{at}query") | linear_names(self.key, f"{at}key")


class MultiHead(nn.Module):
    """`torch.nn.MultiheadAttention`, whose queries have the size of the attention."""

    def __init__(self, query, feature, attention, heads, **_):
        super().__init__()
        assert query == attention
        self.heads = nn.MultiheadAttention(attention, heads, kdim=feature, vdim=feature, batch_first=True)
        nn.init.normal_(self.heads.in_proj_bias)
        nn.init.normal_(self.heads.out_proj.bias)

    def forward(self, query, features, mask=None, **_):
        context, weights = self.heads(query.unsqueeze(1), features, features, key_padding_mask=mask)
        return context.squeeze(1), weights.squeeze(1), None

    def names(self, at):
        names = {}
        for i, (name, weight) in enumerate(
            [("query", self.heads.q_proj_weight), ("key", self.heads.k_proj_weight), ("value", self.heads.v_proj_weight)]
        ):
            names[f"{at}{name}.weight"] = (weight, turned)
            names[f"{at}{name}.bias"] = (self.heads.in_proj_bias, lambda t, i=i: t.chunk(3)[i])
        return names | linear_names(self.heads.out_proj, f"{at}output")


class Location(nn.Module):
    def __init__(self, query, grid, **_):
        super().__init__()
        self.query = nn.Linear(query, grid[0] * grid[1], bias=False)

    def forward(self, query, features, mask=None, **_):
        weights = softmax(self.query(query), mask)
        return seen(weights, features), weights, None

    def names(self, at):
        return bare(linear_names(self.query, f"{at}query"))


class Local(nn.Module):
    """Position by position, as the paper's equations stand."""

    def __init__(self, query, feature, attention, grid, window, **_):
        super().__init__()
        self.grid, self.window = grid, window
        self.key = nn.Linear(feature, query, bias=False)
        self.query, self.point = nn.Linear(query, attention, bias=False), nn.Linear(attention, 2, bias=False)
        nn.init.normal_(self.point.weight)

    def forward(self, query, features, mask=None, **_):
        lengths = torch.tensor([float(n - 1) for n in self.grid])
        points = lengths * torch.sigmoid(self.point(torch.tanh(self.query(query))))
        rows = []
        for r, (row, column) in enumerate(points):
            scores, gaussians = [], []
            for p in range(features.shape[1]):
                down, right = p // self.grid[1] - row, p % self.grid[1] - column
                far = max(abs(down.item()), abs(right.item())) > self.window or (mask is not None and mask[r, p])
                score = query[r] @ self.key(features[r, p])
                scores.append(torch.tensor(-math.inf) if far else score)
                deviation = self.window / 2
                gaussians.append(torch.exp(-(down**2 + right**2) / (2 * deviation**2)))
            rows.append(torch.softmax(torch.stack(scores), 0) * torch.stack(gaussians))
        weights = torch.stack(rows)
        return seen(weights, features), weights, None

    def names(self, at):
        parts = [("key", self.key), ("query", self.query), ("point", self.point)]
        return {k: v for name, layer in parts for k, v in bare(linear_names(layer, f"{at}{name}")).items()}


class LocationAware(Additive):
    def __init__(self, query, feature, attention, grid, filters, **_):
        super().__init__(query, feature, attention)
        self.grid = grid
        self.conv = nn.Conv2d(1, filters, 3, padding=1, bias=False)
        self.place = nn.Linear(filters, attention, bias=False)

    def forward(self, query, features, mask=None, before=None, **_):
        if before is None:
            before = torch.zeros(features.shape[:2])
        around = self.conv(before.view(-1, 1, *self.grid)).flatten(2).transpose(1, 2)
        hidden = torch.tanh(self.features(features) + self.query(query).unsqueeze(1) + self.place(around))
        weights = softmax(self.score(hidden).squeeze(-1), mask)
        return seen(weights, features), weights, weights

    def names(self, at):
        return (
            super().names(at)
            | {f"{at}kernel": (self.conv.weight, lambda t: t.permute(2, 3, 1, 0))}
            | bare(linear_names(self.place, f"{at}place"))
        )


class Adaptive(nn.Module):
    PARTS = ["value", "key", "query", "score", "gateInput", "gateHidden", "sentinel"]

    def __init__(self, query, feature, attention, input_size, **_):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "value": nn.Linear(feature, query),
                "key": nn.Linear(query, attention),
                "query": nn.Linear(query, attention),
                "score": nn.Linear(attention, 1),
                "gateInput": nn.Linear(input_size, query),
                "gateHidden": nn.Linear(query, query),
                "sentinel": nn.Linear(query, attention),
            }
        )

    def forward(self, query, features, mask=None, recurrent=None, **_):
        part = self.parts
        read, hidden, cell = recurrent
        sentinel = torch.sigmoid(part["gateInput"](read) + part["gateHidden"](hidden)) * torch.tanh(cell)
        values = F.relu(part["value"](features))
        keys = torch.cat([part["key"](values), part["sentinel"](sentinel).unsqueeze(1)], 1)
        scores = part["score"](torch.tanh(keys + part["query"](query).unsqueeze(1))).squeeze(-1)
        wider = None if mask is None else F.pad(mask, (0, 1), value=False)
        weights = softmax(scores, wider)
        return seen(weights, torch.cat([values, sentinel.unsqueeze(1)], 1)), weights[:, :-1], None

    def names(self, at):
        return {k: v for name in self.PARTS for k, v in linear_names(self.parts[name], f"{at}{name}").items()}


MECHANISMS = {
    "additive": Additive,
    "dot": Dot,
    "general": General,
    "concat": Concat,
    "scaled-dot": ScaledDot,
    "multi-head": MultiHead,
    "location": Location,
    "local": Local,
    "location-aware": LocationAware,
    "adaptive": Adaptive,
}


def mechanism(kind, config=None, grid=(2, 3), query=None):
    """Three captions for each of two pictures, one position of each padded, at another place."""
    images, per_image, positions = 2, 3, grid[0] * grid[1]
    sizes = {"query": 5, "feature": 4, "attention": 7, "grid": grid, "input_size": 8, "heads": 2, "filters": 3, "window": 1}
    if kind == "dot":
        sizes["feature"] = sizes["query"]
    if kind == "multi-head":
        sizes["query"] = sizes["attention"] = 8
    if config:
        sizes |= {name: value for name, value in config.items() if name in sizes}
    model = MECHANISMS[kind](**sizes)
    inputs = {"features": leaf(images, positions, sizes["feature"]), "query": leaf(images * per_image, sizes["query"])}
    repeat = lambda t: t.repeat_interleave(per_image, 0)
    mask = torch.zeros(images, positions).bool()
    mask[0, 1] = mask[1, positions - 1] = True
    others = {}
    if kind == "location-aware":
        others["before"] = inputs["before"] = torch.softmax(torch.randn(images * per_image, positions), -1).requires_grad_()
    if kind == "adaptive":
        for name, size in [("input", sizes["input_size"]), ("hidden", sizes["query"]), ("cell", sizes["query"])]:
            inputs[name] = leaf(images * per_image, size)
        others["recurrent"] = [inputs[name] for name in ("input", "hidden", "cell")]
    context, weights, _ = model(inputs["query"], repeat(inputs["features"]), repeat(mask), **others)
    above = {"context": torch.randn_like(context), "weights": torch.randn_like(weights)}
    ((context * above["context"]).sum() + (weights * above["weights"]).sum()).backward()
    names = model.names("")
    return {
        "kind": kind,
        "config": {"type": kind, **(config or {})},
        "grid": list(grid),
        "parameters": exported(names),
        "mask": stored(mask.double()),
        "inputs": tree(inputs),
        "outputs": {"context": stored(context), "weights": stored(weights)},
        "above": tree(above),
        "gradients": exported(names, gradient_of) | tree({f"inputs.{n}": gradient_of(t) for n, t in inputs.items()}),
    }


def gru():
    cell = nn.GRUCell(5, 4)
    inputs = {"input": leaf(3, 5), "state": leaf(3, 4)}
    after = cell(inputs["input"], inputs["state"])
    above = torch.randn_like(after)
    (after * above).sum().backward()
    names = {path.removeprefix("."): entry for path, entry in cell_names(cell, "").items()}
    return {
        "parameters": exported(names),
        "inputs": tree(inputs),
        "output": stored(after),
        "above": stored(above),
        "gradients": exported(names, gradient_of) | tree({f"inputs.{n}": t.grad for n, t in inputs.items()}),
    }


class Stack(nn.Module):
    """Recurrent layers of one kind, whose states are lists of (hidden, cell) or (hidden, None)."""

    def __init__(self, kind, inputs, hidden):
        super().__init__()
        self.kind = kind
        make = nn.LSTMCell if kind == "lstm" else nn.GRUCell
        self.cells = nn.ModuleList(make(size, hidden) for size in inputs)

    def step(self, i, x, state):
        if self.kind == "lstm":
            return self.cells[i](x, state)
        return self.cells[i](x, state[0]), None

    def names(self):
        return {k: v for i, cell in enumerate(self.cells) for k, v in cell_names(cell, f"{self.kind}.{i}").items()}


class First(nn.Module):
    """The first states, of the mean feature."""

    def __init__(self, kind, layers, feature, hidden):
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(feature, hidden) for _ in range(layers))
        self.cell = nn.ModuleList(nn.Linear(feature, hidden) for _ in range(layers)) if kind == "lstm" else None

    def forward(self, mean):
        hidden = [torch.tanh(layer(mean)) for layer in self.hidden]
        cell = [torch.tanh(layer(mean)) for layer in self.cell] if self.cell is not None else [None] * len(hidden)
        return list(zip(hidden, cell))

    def names(self):
        names = {}
        for i, layer in enumerate(self.hidden):
            names |= linear_names(layer, f"init.{i}.hidden")
            if self.cell is not None:
                names |= linear_names(self.cell[i], f"init.{i}.cell")
        return names


class Attending(nn.Module):
    """`AttentionLSTMDecoder`: attention before, between or after recurrent layers."""

    def __init__(self, kind, look, cell, layers, gate, deep, tied, sizes):
        super().__init__()
        vocab, feature, embedding, hidden = (sizes[n] for n in ("vocab", "feature", "embedding", "hidden"))
        self.look, self.deep = look, deep
        bottom = embedding + feature + (hidden if look == "between" else 0)
        inner = hidden if look == "after" and layers > 1 else bottom
        context = {"adaptive": hidden, "multi-head": sizes["attention"]}.get(kind, feature)
        inputs = [bottom if look != "before" else embedding + context] + [hidden] * (layers - 1)
        if look == "between":
            inputs[1] = context + hidden
        self.embedding = nn.Embedding(vocab, embedding)
        self.attention = MECHANISMS[kind](query=hidden, input_size=inner, **sizes)
        self.stack, self.first = Stack(cell, inputs, hidden), First(cell, layers, feature, hidden)
        self.gate = nn.Linear(hidden, context) if gate else None
        self.attentional = nn.Linear(context + hidden, hidden) if look == "after" and not deep else None
        self.deep_hidden = nn.Linear(hidden, embedding) if deep else None
        self.deep_context = nn.Linear(context, embedding, bias=False) if deep else None
        self.output = nn.Linear(embedding if deep else hidden, vocab)
        self.tied = tied
        if tied:
            self.output.weight = self.embedding.weight

    def look_at(self, query, features, mask, recurrent, before):
        context, weights, after = self.attention(query, features, mask, recurrent=recurrent, before=before)
        if self.gate is not None:
            context = torch.sigmoid(self.gate(query)) * context
        return context, weights, after

    def forward(self, tokens, features, mask):
        """tokens [rows, time], features [rows, positions, feature] -> logits [rows, time, vocab], weights"""
        real = (~mask).double().unsqueeze(-1)
        mean = (features * real).sum(1) / real.sum(1)
        state, kept = self.first(mean), None
        logits, looked = [], []
        for t in range(tokens.shape[1]):
            word = self.embedding(tokens[:, t])
            top = len(state) - 1
            if self.look == "before":
                context, weights, kept = self.look_at(state[top][0], features, mask, None, kept)
                x, start = torch.cat([word, context], 1), 0
            elif self.look == "after":
                x, start = torch.cat([word, mean], 1), 0
            else:
                x = torch.cat([word, mean, state[top][0]], 1)
                earlier = state[0]
                state[0] = self.stack.step(0, x, earlier)
                cell = state[0][1] if state[0][1] is not None else state[0][0]
                context, weights, kept = self.look_at(state[0][0], features, mask, (x, earlier[0], cell), kept)
                x, start = torch.cat([context, state[0][0]], 1), 1
            for i in range(start, len(state)):
                read, earlier = x, state[i]
                state[i] = self.stack.step(i, x, earlier)
                x = state[i][0]
            hidden = x
            if self.look == "after":
                cell = state[top][1] if state[top][1] is not None else hidden
                context, weights, kept = self.look_at(hidden, features, mask, (read, earlier[0], cell), kept)
            if self.attentional is not None:
                hidden = torch.tanh(self.attentional(torch.cat([context, hidden], 1)))
            if self.deep:
                hidden = torch.tanh(word + self.deep_hidden(hidden) + self.deep_context(context))
            logits.append(self.output(hidden))
            looked.append(weights)
        return torch.stack(logits, 1), torch.stack(looked, 1)

    def names(self):
        names = {"embedding": (self.embedding.weight, same)} | self.attention.names("attention.")
        names |= self.first.names() | self.stack.names()
        for layer, at in [(self.gate, "contextGate"), (self.attentional, "attentional"), (self.deep_hidden, "deepOutput.hidden")]:
            names |= linear_names(layer, at) if layer is not None else {}
        if self.deep:
            names["deepOutput.context"] = (self.deep_context.weight, turned)
        names |= linear_names(self.output, "output")
        if self.tied:
            del names["output.weight"]
        return names


class Plain(nn.Module):
    """`LSTMDecoder`: the picture as one vector."""

    def __init__(self, injection, cell, layers, tied, sizes):
        super().__init__()
        vocab, feature, embedding, hidden = (sizes[n] for n in ("vocab", "feature", "embedding", "hidden"))
        self.injection, self.tied, self.size = injection, tied, hidden
        self.embedding = nn.Embedding(vocab, embedding)
        self.stack = Stack(cell, [embedding * (2 if injection == "par" else 1)] + [hidden] * (layers - 1), hidden)
        self.first = First(cell, layers, feature, hidden) if injection == "init" else None
        self.image = None if injection == "init" else nn.Linear(feature, hidden if injection == "merge" else embedding)
        self.merged = nn.Linear(hidden, hidden) if injection == "merge" else None
        self.output = nn.Linear(hidden, vocab)
        if tied:
            self.output.weight = self.embedding.weight

    def climb(self, x, state):
        for i in range(len(state)):
            state[i] = self.stack.step(i, x, state[i])
            x = state[i][0]
        return x

    def forward(self, tokens, features, mask):
        real = (~mask).double().unsqueeze(-1)
        mean = (features * real).sum(1) / real.sum(1)
        zeros = torch.zeros(len(tokens), self.size)
        state = self.first(mean) if self.first is not None else [(zeros, zeros)] * len(self.stack.cells)
        if self.injection == "pre":
            self.climb(self.image(mean), state)
        logits = []
        for t in range(tokens.shape[1]):
            word = self.embedding(tokens[:, t])
            hidden = self.climb(torch.cat([word, self.image(mean)], 1) if self.injection == "par" else word, state)
            if self.injection == "merge":
                hidden = F.relu(self.merged(F.relu(self.image(mean)) + hidden))
            logits.append(self.output(hidden))
        return torch.stack(logits, 1), None

    def names(self):
        names = {"embedding": (self.embedding.weight, same)} | self.stack.names()
        names |= self.first.names() if self.first is not None else {}
        names |= linear_names(self.image, "image") if self.image is not None else {}
        names |= linear_names(self.merged, "merged") if self.merged is not None else {}
        names |= linear_names(self.output, "output")
        if self.tied:
            del names["output.weight"]
        return names


def batch(model, sizes, config):
    """Cross-entropy of captions, two for each of two pictures, and the doubly stochastic term where there are weights."""
    images, per_image, start, end, pad = 2, 2, 1, 2, 0
    positions = sizes["grid"][0] * sizes["grid"][1]
    features = leaf(images, positions, sizes["feature"])
    mask = torch.zeros(images, positions).bool()
    mask[1, 2] = True
    captions = [torch.randint(3, sizes["vocab"], (length,)).tolist() for length in (3, 1, 2, 4)]
    time = 5
    tokens = torch.tensor([[start, *c] + [pad] * (time - 1 - len(c)) for c in captions])
    targets = torch.tensor([[*c, end] + [-100] * (time - 1 - len(c)) for c in captions])
    repeat = lambda t: t.repeat_interleave(per_image, 0)
    logits, weights = model(tokens, repeat(features), repeat(mask))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    if weights is not None:
        spoken = (targets >= 0).double().unsqueeze(-1)
        loss = loss + ((1 - (weights * spoken).sum(1)) ** 2).mean()
    loss.backward()
    names = model.names()
    wanted = (targets >= 0).flatten()
    return {
        "config": config,
        "captions": captions,
        "features": stored(features),
        "mask": stored(mask.double()),
        "parameters": exported(names),
        "logits": stored(logits.flatten(0, 1)[wanted]),
        "loss": stored(loss),
        "gradients": exported(names, gradient_of) | {"features": stored(features.grad)},
    }


def attending(kind, look, cell, layers=1, gate=False, deep=False, tied=False, **settings):
    sizes = {"vocab": 9, "feature": 4, "embedding": 3, "hidden": 6, "attention": 7, "grid": (2, 3)}
    if kind == "dot":
        sizes["feature"] = sizes["hidden"]
    if kind == "multi-head":
        sizes["attention"] = sizes["hidden"] = 6
    if tied and not deep:
        sizes["embedding"] = sizes["hidden"]
    torch_names = {"numHeads": "heads"}
    model = Attending(
        kind, look, cell, layers, gate, deep, tied, sizes | {torch_names.get(n, n): v for n, v in settings.items()}
    )
    config = {
        "vocabSize": sizes["vocab"],
        "featureSize": sizes["feature"],
        "embeddingSize": sizes["embedding"],
        "hiddenSize": sizes["hidden"],
        "attentionSize": sizes["attention"],
        "numLayers": layers,
        "attentionActivation": "tanh",
        "contextGate": gate,
        "deepOutput": deep,
        "initActivation": "tanh",
        "look": look,
        "cell": cell,
        "tied": tied,
        "grid": [2, 3],
    }
    if kind != "additive":
        own = settings | ({"size": 3} if kind == "location-aware" else {})
        config["attention"] = {"type": kind, **own}
    return batch(model, sizes, config)


def plain(injection, cell, layers, tied=False):
    sizes = {"vocab": 9, "feature": 4, "embedding": 3, "hidden": 6, "grid": (1, 5)}
    if tied:
        sizes["embedding"] = sizes["hidden"]
    config = {
        "vocabSize": sizes["vocab"],
        "featureSize": sizes["feature"],
        "embeddingSize": sizes["embedding"],
        "hiddenSize": sizes["hidden"],
        "numLayers": layers,
        "cell": cell,
        "injection": injection,
        "tied": tied,
    }
    return batch(Plain(injection, cell, layers, tied, sizes), sizes, config)


def looks():
    """The terms of REINFORCE: torch.distributions' log-probabilities and entropies of looks that were drawn."""
    rows, time, positions = 3, 4, 5
    scores = leaf(rows, time, positions)
    distribution = torch.distributions.Categorical(logits=scores)
    drawn = torch.randint(0, positions, (rows, time))
    taken = torch.tensor([1.0, 0.0, 1.0]).unsqueeze(1)  # the second caption takes the mean over positions
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]).double()
    advantages = torch.randn(rows)
    reward = (distribution.log_prob(drawn) * mask * taken * advantages.unsqueeze(1)).sum()
    entropy = (distribution.entropy() * mask).sum()
    (reward_gradient,) = torch.autograd.grad(reward, scores, retain_graph=True)
    (entropy_gradient,) = torch.autograd.grad(entropy, scores)
    return {
        "scores": stored(scores),
        "chosen": stored(F.one_hot(drawn, positions).double() * taken.unsqueeze(2)),
        "mask": stored(mask),
        "advantages": stored(advantages),
        "reward": {"value": stored(reward), "gradient": stored(reward_gradient)},
        "entropy": {"value": stored(entropy), "gradient": stored(entropy_gradient)},
    }


def places(rows, columns, size):
    """DETR's sines and cosines, not normalised: places by a running sum, rows first; [rows * columns, size]"""
    ones = torch.ones(rows, columns)
    half = size // 2
    wavelengths = 10000 ** (2 * (torch.arange(half) // 2) / half)
    parts = []
    for axis in (0, 1):
        angles = ones.cumsum(axis).unsqueeze(-1) / wavelengths
        parts.append(torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], -1).flatten(2))
    return {"grid": [rows, columns], "size": size, "values": stored(torch.cat(parts, -1).flatten(0, 1))}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    mechanisms = [
        mechanism("additive"),
        mechanism("dot"),
        mechanism("general"),
        mechanism("concat"),
        mechanism("scaled-dot"),
        mechanism("multi-head", {"numHeads": 2}),
        mechanism("location"),
        mechanism("local", {"window": 1}, (3, 4)),
        mechanism("local", {"window": 2}, (1, 7)),
        mechanism("location-aware", {"filters": 3, "size": 3}),
        mechanism("adaptive"),
    ]
    decoders = [
        attending("general", "before", "lstm", layers=2, gate=True),
        attending("additive", "before", "gru", gate=True, deep=True),
        attending("additive", "before", "lstm", deep=True, tied=True),
        attending("location-aware", "before", "gru", layers=2, filters=2),
        attending("additive", "between", "lstm", layers=2),
        attending("adaptive", "between", "lstm", layers=3),
        attending("multi-head", "between", "gru", layers=2, gate=True, numHeads=3),
        attending("adaptive", "after", "gru"),
        attending("adaptive", "after", "lstm", layers=2, deep=True),
        attending("dot", "after", "lstm", tied=True),
        attending("local", "after", "gru", layers=2, window=1),
    ]
    plains = [
        plain("init", "lstm", 2),
        plain("init", "gru", 1, tied=True),
        plain("pre", "lstm", 1),
        plain("pre", "gru", 2),
        plain("par", "lstm", 2),
        plain("par", "gru", 1),
        plain("merge", "lstm", 1),
        plain("merge", "gru", 2, tied=True),
    ]
    torch_version = torch.__version__.split("+")[0]
    for name, content in [
        ("mechanisms", {"mechanisms": mechanisms, "gru": gru(), "looks": looks(), "places": places(3, 5, 8)}),
        ("decoders", {"attending": decoders, "plain": plains}),
    ]:
        file = FOLDER / f"{name}.json"
        file.write_text(json.dumps({"torch": torch_version, **content}, separators=(",", ":")) + "\n")
        print(f"{file}: {file.stat().st_size} bytes")


main()
