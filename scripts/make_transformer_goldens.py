#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "numpy"]
# ///
"""Writes what PyTorch makes of small random inputs, into test/goldens/transformer: layers.json,
and decoder.json by `torch.nn.TransformerDecoder` and `TransformerEncoder`.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python scripts/make_transformer_goldens.py

Everything is computed in double precision and written with 9 significant digits, so that the tolerances of the tests
are those of float32 arithmetic alone. Weights are written in PyTorch's layout, [out, in]. No two axes of an input have
one size, so that a swapped axis cannot pass.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "test" / "goldens" / "transformer"

torch.set_default_dtype(torch.float64)
torch.manual_seed(12)


def stored(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]}


def tree(tensors):
    return {name: stored(tensor) for name, tensor in tensors.items()}


def leaf(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def with_gradients(output, inputs):
    """The output, what comes from above, and the gradient of every input."""
    above = torch.randn_like(output)
    gradients = torch.autograd.grad(output, list(inputs.values()), above)
    return {"output": stored(output), "above": stored(above), "gradients": tree(dict(zip(inputs, gradients)))}


def activations():
    functions = {
        "gelu": F.gelu,
        "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
        "gelu_10": lambda x: F.gelu(x).clip(-10, 10),
        "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
        "laplace": lambda x: 0.5 * (1 + torch.erf((x - 0.707107) / (0.282095 * 2**0.5))),
        "leaky_relu": F.leaky_relu,
        "mish": F.mish,
        "relu": F.relu,
        "relu2": lambda x: F.relu(x) ** 2,
        "relu6": F.relu6,
        "sigmoid": torch.sigmoid,
        "silu": F.silu,
        "tanh": torch.tanh,
    }
    x = torch.cat([torch.linspace(-6.1, 6.1, 24), torch.tensor([-30.0, -12.0, 12.0, 30.0])]).requires_grad_()
    return {"x": stored(x), "functions": {name: with_gradients(f(x), {"x": x}) for name, f in functions.items()}}


def layer_norm():
    inputs = {"x": leaf(2, 3, 5, scale=2.0), "weight": leaf(5), "bias": leaf(5)}
    output = F.layer_norm(inputs["x"], (5,), inputs["weight"], inputs["bias"], 1e-3)
    return {"epsilon": 1e-3, "inputs": tree(inputs), **with_gradients(output, inputs)}


def multi_head():
    """Self-attention, causal and with padding; cross-attention of three rows per picture to features of another size."""
    cases = {}
    heads, size = 2, 6
    attention = nn.MultiheadAttention(size, heads, batch_first=True)
    nn.init.normal_(attention.in_proj_bias)
    nn.init.normal_(attention.out_proj.bias)
    x = leaf(3, 4, size)
    padding = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    future = torch.ones(4, 4).triu(1).bool()
    for name, causal, padded in [("plain", False, False), ("causal", True, False), ("causal_padded", True, True)]:
        output, weights = attention(
            x, x, x, attn_mask=future if causal else None, key_padding_mask=padding.bool() if padded else None,
            average_attn_weights=False,
        )
        inputs = {"x": x, **dict(attention.named_parameters())}
        cases[name] = {
            "causal": causal,
            **({"keyPaddingMask": stored(padding)} if padded else {}),
            "weights": stored(weights),
            **with_gradients(output, inputs),
        }
    self_case = {"numHeads": heads, "x": stored(x), "parameters": tree(dict(attention.named_parameters())), "cases": cases}

    cross = nn.MultiheadAttention(size, heads, batch_first=True, kdim=5, vdim=5)
    features, rows = leaf(2, 7, 5), leaf(6, 4, size)
    repeated = features.repeat_interleave(3, 0)
    output, weights = cross(rows, repeated, repeated, average_attn_weights=False)
    inputs = {"x": rows, "features": features, **dict(cross.named_parameters())}
    cross_case = {
        "numHeads": heads,
        "x": stored(rows),
        "features": stored(features),
        "parameters": tree(dict(cross.named_parameters())),
        "weights": stored(weights),
        **with_gradients(output, inputs),
    }
    return {"self": self_case, "cross": cross_case}


VOCAB, SIZE, HEADS, INNER, POSITIONS, FEATURES, MOST = 9, 6, 2, 10, 5, 4, 7


def sinusoids(count, size):
    """Vaswani et al. 2017, section 3.5."""
    angles = torch.arange(count)[:, None] / 10000 ** (torch.arange(0, size, 2)[None] / size)
    return torch.stack([angles.sin(), angles.cos()], 2).reshape(count, size)


class Captioner(nn.Module):
    def __init__(self, norm, activation, encoder_layers, tied, word_positions):
        super().__init__()
        self.sinusoidal = word_positions == "sinusoidal"
        given = dict(nhead=HEADS, dim_feedforward=INNER, dropout=0.0, activation=activation, batch_first=True,
                     norm_first=norm == "pre")
        last = lambda: nn.LayerNorm(SIZE) if norm == "pre" else None
        self.features = nn.Linear(FEATURES, SIZE)
        self.grid = nn.Parameter(torch.randn(POSITIONS, SIZE))
        self.encoder = (
            nn.TransformerEncoder(nn.TransformerEncoderLayer(SIZE, **given), encoder_layers, norm=last())
            if encoder_layers else None
        )
        self.words = nn.Embedding(VOCAB, SIZE)
        self.places = None if self.sinusoidal else nn.Embedding(MOST, SIZE)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(SIZE, **given), 2, norm=last())
        self.head = None if tied else nn.Linear(SIZE, VOCAB, bias=False)
        self.bias = nn.Parameter(torch.randn(VOCAB))
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:  # biases and norms begin as zeros and ones, which would hide mistakes
                nn.init.normal_(parameter, 1.0 if "norm" in name and "weight" in name else 0.0, 0.3)

    def forward(self, features, tokens):
        memory = self.features(features) + self.grid
        if self.encoder:
            memory = self.encoder(memory)
        memory = memory.repeat_interleave(tokens.shape[0] // features.shape[0], 0)
        time = tokens.shape[1]
        if self.sinusoidal:
            x = self.words(tokens) * SIZE**0.5 + sinusoids(MOST, SIZE)[:time]
        else:
            x = self.words(tokens) + self.places(torch.arange(time))
        future = torch.ones(time, time).triu(1).bool()
        x = self.decoder(x, memory, tgt_mask=future)
        return x @ (self.head.weight if self.head else self.words.weight).t() + self.bias


def our_names(module, of):
    """`of(parameter)` by the names of src/decoders/plainTransformer.ts; what PyTorch has fused is cut into its parts."""
    norms = {"encoder": ["attentionNorm", "feedForwardNorm"], "decoder": ["attentionNorm", "crossNorm", "feedForwardNorm"]}
    single = {"self_attn.out_proj": "attention.output", "multihead_attn.out_proj": "cross.output", "linear1": "up",
              "linear2": "down"}
    found = {}
    for name, parameter in module.named_parameters():
        value = of(parameter)
        stack, *rest = name.split(".")
        if stack not in norms:
            found[name] = value
            continue
        if rest[0] == "norm":
            found[f"{'encoderNorm' if stack == 'encoder' else 'norm'}.{rest[1]}"] = value
            continue
        at = f"{'encoder' if stack == 'encoder' else 'layers'}.{rest[1]}"
        part, end = ".".join(rest[2:-1]), rest[-1]
        if end.startswith("in_proj_"):
            to = f"{at}.{'attention' if part == 'self_attn' else 'cross'}"
            for which, cut in zip(("query", "key", "value"), value.chunk(3)):
                found[f"{to}.{which}.{end.removeprefix('in_proj_')}"] = cut
        elif part.startswith("norm"):
            found[f"{at}.{norms[stack][int(part[4:]) - 1]}.{end}"] = value
        else:
            found[f"{at}.{single[part]}.{end}"] = value
    return tree(found)


def decoders():
    cases = []
    for norm, activation, encoder_layers, tied, word_positions in [
        ("pre", "gelu", 1, True, "learned"),
        ("post", "relu", 2, False, "sinusoidal"),
        ("pre", "relu", 0, False, "sinusoidal"),
        ("post", "gelu", 0, True, "learned"),
    ]:
        model = Captioner(norm, activation, encoder_layers, tied, word_positions)
        features, tokens = leaf(2, POSITIONS, FEATURES), torch.randint(VOCAB, (6, 4))
        targets = torch.randint(VOCAB, (24,))
        logits = model(features, tokens)
        loss = F.cross_entropy(logits.reshape(24, VOCAB), targets)
        loss.backward()
        cases.append({
            "config": {
                "vocabSize": VOCAB, "positions": POSITIONS, "featureSize": FEATURES, "hiddenSize": SIZE,
                "numHeads": HEADS, "innerSize": INNER, "numLayers": 2, "encoderLayers": encoder_layers,
                "activation": activation, "norm": norm, "wordPositions": word_positions, "maxPositions": MOST,
                "tied": tied,
            },
            "parameters": our_names(model, lambda parameter: parameter),
            "features": stored(features),
            "tokens": stored(tokens),
            "targets": stored(targets),
            "logits": stored(logits),
            "loss": stored(loss),
            "gradients": our_names(model, lambda parameter: parameter.grad),
            "featureGradient": stored(features.grad),
        })
    return cases


def write(name, content):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")


write("layers.json", {"activations": activations(), "layerNorm": layer_norm(), "multiHead": multi_head()})
write("decoder.json", decoders())
