# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "numpy"]
# ///
"""Reference numbers for what is learned of pictures and texts beside captions, by PyTorch: the contrastive loss with its
gradients, a small dual encoder, and the task heads over a small transformer.

    python scripts/make_objective_goldens.py

writes test/goldens/training/objectives.json. Sizes differ on every axis, so that none can be swapped unseen.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)

FEATURES, POSITIONS, HIDDEN, HEADS, PROJECTION, EMBEDDING, VOCAB, PLACES = 5, 4, 8, 2, 6, 3, 11, 7


def numbers(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.9g}") for v in tensor.detach().flatten().tolist()]}


def loss_of(images, texts, log_scale):
    """Cross-entropy with targets that are spread evenly over the texts of a picture."""
    each = texts.shape[0] // images.shape[0]
    owner = torch.arange(images.shape[0]).repeat_interleave(each)
    logits = log_scale.exp() * images @ texts.T
    wanted = F.one_hot(owner, images.shape[0]).T / each
    return (F.cross_entropy(logits, wanted.to(logits.dtype)) + F.cross_entropy(logits.T, owner)) / 2


def loss_case(images, each):
    given = {
        "images": F.normalize(torch.randn(images, PROJECTION), dim=1).requires_grad_(),
        "texts": F.normalize(torch.randn(images * each, PROJECTION), dim=1).requires_grad_(),
        "logitScale": torch.tensor(2.3).requires_grad_(),
    }
    loss = loss_of(given["images"], given["texts"], given["logitScale"])
    loss.backward()
    return {
        "given": {name: numbers(tensor) for name, tensor in given.items()},
        "loss": loss.item(),
        "gradients": {name: numbers(tensor.grad) for name, tensor in given.items()},
    }


class Pool(torch.nn.Module):
    """A weighted mean, every head with weights and a part of the values of its own."""

    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Linear(HIDDEN, HEADS)

    def forward(self, x, padding=None):
        scores = self.scores(x)
        if padding is not None:
            scores = scores.masked_fill(padding[:, :, None], float("-inf"))
        weights = scores.softmax(dim=1).repeat_interleave(HIDDEN // HEADS, dim=2)
        return (weights * x).sum(dim=1)


class DualEncoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.image_project = torch.nn.Linear(FEATURES, HIDDEN)
        self.image_pool = Pool()
        self.image_norm = torch.nn.LayerNorm(HIDDEN)
        self.image_output = torch.nn.Linear(HIDDEN, PROJECTION)
        self.words = torch.nn.Embedding(VOCAB, EMBEDDING)
        self.text_project = torch.nn.Linear(EMBEDDING, HIDDEN)
        self.places = torch.nn.Embedding(PLACES, HIDDEN)
        self.layer = torch.nn.TransformerEncoderLayer(
            HIDDEN, HEADS, 4 * HIDDEN, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.text_norm = torch.nn.LayerNorm(HIDDEN)
        self.text_pool = Pool()
        self.text_output = torch.nn.Linear(HIDDEN, PROJECTION)
        self.log_scale = torch.nn.Parameter(torch.tensor(1.9))

    def images(self, features):
        pooled = self.image_norm(self.image_pool(F.gelu(self.image_project(features))))
        return F.normalize(self.image_output(pooled), dim=1)

    def texts(self, tokens, padding):
        x = self.text_project(self.words(tokens)) + self.places.weight[: tokens.shape[1]]
        x = self.text_norm(self.layer(x, src_key_padding_mask=padding))
        return F.normalize(self.text_output(self.text_pool(x, padding)), dim=1)

    def named(self, of):
        """Weights, or what `of` makes of each, under the names that the library has for them."""
        linear = lambda key, layer: {f"{key}.weight": of(layer.weight), f"{key}.bias": of(layer.bias)}
        attention = self.layer.self_attn
        at = "text.layers.0"
        parts = zip("qkv", of(attention.in_proj_weight).chunk(3), of(attention.in_proj_bias).chunk(3))
        projections = {f"{at}.self_attn.{n}_proj.{end}": t for n, w, b in parts for end, t in (("weight", w), ("bias", b))}
        return {
            **linear("image.project", self.image_project),
            **linear("image.pool", self.image_pool.scores),
            **linear("image.norm", self.image_norm),
            **linear("image.output", self.image_output),
            "text.words.weight": of(self.words.weight),
            **linear("text.project", self.text_project),
            "text.places.weight": of(self.places.weight),
            **projections,
            **linear(f"{at}.self_attn.out_proj", attention.out_proj),
            **linear(f"{at}.layer_norm1", self.layer.norm1),
            **linear(f"{at}.layer_norm2", self.layer.norm2),
            **linear(f"{at}.mlp.fc1", self.layer.linear1),
            **linear(f"{at}.mlp.fc2", self.layer.linear2),
            **linear("text.norm", self.text_norm),
            **linear("text.pool", self.text_pool.scores),
            **linear("text.output", self.text_output),
            "logit_scale": of(self.log_scale),
        }


def dual_encoder_case():
    model = DualEncoder()
    for parameter in model.parameters():  # norms and biases too, or ones and zeros would hide mistakes
        torch.nn.init.normal_(parameter, std=0.5)
    features = torch.rand(3, POSITIONS, FEATURES)
    lengths = [4, 6, 3, 5, 6, 4]
    tokens = torch.randint(1, VOCAB, (6, 6))
    padding = torch.arange(6)[None] >= torch.tensor(lengths)[:, None]
    tokens[padding] = 0
    images, texts = model.images(features), model.texts(tokens, padding)
    loss = loss_of(images, texts, model.log_scale)
    loss.backward()
    return {
        "config": {
            "featureSize": FEATURES, "vocabSize": VOCAB, "embeddingSize": EMBEDDING, "hiddenSize": HIDDEN, "textLayers": 1,
            "numHeads": HEADS, "maxPositions": PLACES, "pooling": "attention", "projectionSize": PROJECTION,
        },
        "weights": {name: numbers(tensor) for name, tensor in model.named(lambda p: p).items()},
        "features": numbers(features),
        "tokens": tokens.tolist(),
        "padding": padding.int().tolist(),
        "images": numbers(images),
        "texts": numbers(texts),
        "loss": loss.item(),
        "gradients": {name: numbers(tensor) for name, tensor in model.named(lambda p: p.grad).items()},
    }


class Reader(torch.nn.Module):
    """A text decoder without the causal mask, and heads: what TaskHeads makes of a TransformerCaptioner."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Linear(FEATURES, HIDDEN)
        self.grid = torch.nn.Parameter(torch.empty(POSITIONS, HIDDEN))
        self.words = torch.nn.Embedding(VOCAB, HIDDEN)
        self.places = torch.nn.Embedding(PLACES, HIDDEN)
        self.layer = torch.nn.TransformerDecoderLayer(
            HIDDEN, HEADS, 3 * HIDDEN, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = torch.nn.LayerNorm(HIDDEN)
        self.first = torch.nn.Parameter(torch.empty(HIDDEN))
        self.mask = torch.nn.Parameter(torch.empty(HIDDEN))
        self.transform = torch.nn.Linear(HIDDEN, HIDDEN)
        self.transform_norm = torch.nn.LayerNorm(HIDDEN)
        self.bias = torch.nn.Parameter(torch.empty(VOCAB))
        self.match = torch.nn.Linear(HIDDEN, 2)
        self.image = torch.nn.Linear(FEATURES, PROJECTION)
        self.text = torch.nn.Linear(HIDDEN, PROJECTION)
        self.log_scale = torch.nn.Parameter(torch.tensor(1.2))

    def read(self, tokens, padding, features=None, masked=None):
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]]
        x = torch.cat([x[:, :1] + self.first, x[:, 1:]], dim=1)
        if masked is not None:
            x = x + masked[:, :, None] * self.mask
        layer = self.layer
        if features is None:  # the layer of PyTorch always looks
            y = layer.norm1(x)
            x = x + layer.self_attn(y, y, y, key_padding_mask=padding, need_weights=False)[0]
            x = x + layer.linear2(F.gelu(layer.linear1(layer.norm3(x))))
        else:
            x = layer(x, self.features(features) + self.grid, tgt_key_padding_mask=padding)
        return self.norm(x)

    def named(self, of):
        linear = lambda key, layer: {f"{key}.weight": of(layer.weight).T, f"{key}.bias": of(layer.bias)}
        norm = lambda key, layer: {f"{key}.weight": of(layer.weight), f"{key}.bias": of(layer.bias)}

        def attention(key, layer):
            parts = zip(("query", "key", "value"), of(layer.in_proj_weight).chunk(3), of(layer.in_proj_bias).chunk(3))
            projections = {f"{key}.{n}.{end}": t for n, w, b in parts for end, t in (("weight", w.T), ("bias", b))}
            return {**projections, **linear(f"{key}.output", layer.out_proj)}

        layer, at = self.layer, "decoder.layers.0"
        return {
            **linear("decoder.features", self.features),
            "decoder.grid": of(self.grid),
            "decoder.words": of(self.words.weight),
            "decoder.places": of(self.places.weight),
            **attention(f"{at}.attention", layer.self_attn),
            **norm(f"{at}.attentionNorm", layer.norm1),
            **attention(f"{at}.cross", layer.multihead_attn),
            **norm(f"{at}.crossNorm", layer.norm2),
            **linear(f"{at}.up", layer.linear1),
            **linear(f"{at}.down", layer.linear2),
            **norm(f"{at}.feedForwardNorm", layer.norm3),
            **norm("decoder.norm", self.norm),
            "first": of(self.first),
            "mlm.mask": of(self.mask),
            **linear("mlm.transform", self.transform),
            **norm("mlm.norm", self.transform_norm),
            "mlm.bias": of(self.bias),
            **linear("itm", self.match),
            **linear("itc.image", self.image),
            **linear("itc.text", self.text),
            "itc.logitScale": of(self.log_scale),
        }


def heads_case():
    model = Reader()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    features = torch.rand(3, POSITIONS, FEATURES)
    lengths = torch.tensor([4, 6, 3])
    tokens = torch.randint(4, VOCAB, (3, 6))
    padding = torch.arange(6)[None] >= lengths[:, None]
    tokens[padding] = 0
    masked = torch.zeros(3, 6)
    hidden_places = [(0, 2), (1, 1), (1, 4), (2, 1)]
    targets = [5, 9, 4, 7]
    read = tokens.clone()
    for row, place in hidden_places:
        masked[row, place] = 1
        read[row, place] = 3
    hidden = model.read(read, padding, features, masked)
    rows = torch.stack([hidden[row, place] for row, place in hidden_places])
    guesses = model.transform_norm(F.gelu(model.transform(rows))) @ model.words.weight.T + model.bias
    # Pairs: each with its own, then texts of others, then pictures of others.
    pairs = [(0, 0), (1, 1), (2, 2), (0, 2), (1, 0), (2, 1), (1, 0), (2, 1), (0, 2)]  # picture, text
    labels = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0, 0])
    pictures, texts = (torch.tensor(each) for each in zip(*pairs))
    match = model.match(model.read(tokens[texts], padding[texts], features[pictures])[:, 0])
    images = F.normalize(model.image(features.mean(dim=1)), dim=1)
    vectors = F.normalize(model.text(model.read(tokens, padding)[:, 0]), dim=1)
    losses = {
        "mlm": F.cross_entropy(guesses, torch.tensor(targets)),
        "itm": F.cross_entropy(match, labels),
        "itc": loss_of(images, vectors, model.log_scale),
    }
    gradients = {}
    for name, loss in losses.items():
        model.zero_grad()
        loss.backward(retain_graph=True)
        found = model.named(lambda p: torch.zeros_like(p) if p.grad is None else p.grad)
        gradients[name] = {key: numbers(tensor) for key, tensor in found.items() if tensor.abs().sum() > 0}
    return {
        "sizes": {
            "featureSize": FEATURES, "positions": POSITIONS, "vocabSize": VOCAB, "hiddenSize": HIDDEN, "numHeads": HEADS,
            "innerSize": 3 * HIDDEN, "maxPositions": PLACES, "projectionSize": PROJECTION,
        },
        "weights": {name: numbers(tensor) for name, tensor in model.named(lambda p: p).items()},
        "features": numbers(features),
        "tokens": tokens.tolist(),
        "read": read.tolist(),
        "padding": padding.int().tolist(),
        "masked": masked.int().tolist(),
        "places": [row * 6 + place for row, place in hidden_places],
        "targets": targets,
        "pairs": pairs,
        "labels": labels.tolist(),
        "guesses": numbers(guesses),
        "match": numbers(match),
        "images": numbers(images),
        "texts": numbers(vectors),
        "losses": {name: loss.item() for name, loss in losses.items()},
        "gradients": gradients,
    }


golden = {
    "torch": torch.__version__,
    "losses": [loss_case(4, 1), loss_case(3, 2)],
    "dualEncoder": dual_encoder_case(),
    "heads": heads_case(),
}
folder = Path(__file__).parent.parent / "test/goldens/training"
(folder / "objectives.json").write_text(json.dumps(golden) + "\n")
