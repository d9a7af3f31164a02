"""Show, Attend and Tell, and what is timed of it: a step of training, an epoch, beam search."""

import numpy as np
import torch
import torch.nn.functional as F
from files import read_input, read_plan, read_weights
from torch import nn

CHECKED_STEPS = 3


class Captioner(nn.Module):
    """Additive attention, perhaps a context gate, one LSTM layer.

    Written for speed in eager mode: the words of all steps enter the gates in one product, context and hidden state in
    one per step. Features and keys are never repeated for the captions or hypotheses of a picture.
    """

    def __init__(self, config, tensors, dropout=0.0):
        super().__init__()
        self.dropout = dropout
        by_word, by_context = tensors.pop("lstm.0.input").split([config["embeddingSize"], config["featureSize"]])
        tensors["word"] = by_word
        tensors["recurrent"] = torch.cat([by_context, tensors.pop("lstm.0.hidden")])
        for name, tensor in tensors.items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(tensor.contiguous()))

    def linear(self, layer, x):
        return torch.addmm(getattr(self, f"{layer}_bias"), x, getattr(self, f"{layer}_weight"))

    def remember(self, features):
        """features [pictures, positions, features] -> keys, and the first state"""
        pictures, positions, size = features.shape
        keys = self.linear("attention_features", features.view(-1, size)).view(pictures, 1, positions, -1)
        mean = features.mean(1)
        hidden, cell = torch.tanh(self.linear("init_0_hidden", mean)), torch.tanh(self.linear("init_0_cell", mean))
        return (features, keys), (hidden, cell)

    def word_gates(self, words):
        return torch.addmm(self.lstm_0_inputBias + self.lstm_0_hiddenBias, words, self.word)

    def step(self, word_gates, state, memory):
        hidden, cell = state
        features, keys = memory
        pictures, _, positions, size = keys.shape
        rows = len(hidden)
        asked = self.linear("attention_query", hidden).view(pictures, -1, 1, size)
        scores = self.linear("attention_score", torch.tanh(keys + asked).view(-1, size))
        weights = torch.softmax(scores.view(pictures, -1, positions), -1)
        context = torch.bmm(weights, features).view(rows, -1)
        if hasattr(self, "contextGate_weight"):
            context = torch.sigmoid(self.linear("contextGate", hidden)) * context
        gates = torch.addmm(word_gates, torch.cat([context, hidden], 1), self.recurrent)
        enter, forget, candidate, leave = gates.chunk(4, 1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return (torch.sigmoid(leave) * torch.tanh(cell), cell), weights.view(rows, positions)

    def forward(self, features, tokens, wanted=None):
        """tokens [rows, time], rows a multiple of pictures -> logits [wanted, vocabulary], weights [rows, time, positions]"""
        rows, time = tokens.shape
        memory, state = self.remember(features)
        state = [x.repeat_interleave(rows // len(features), 0) for x in state]
        words = F.dropout(F.embedding(tokens.t().reshape(-1), self.embedding), self.dropout, self.training)
        spoken, looked = [], []
        for gates in self.word_gates(words).view(time, rows, -1).unbind(0):
            state, weights = self.step(gates, state, memory)
            spoken.append(state[0])
            looked.append(weights)
        spoken = torch.stack(spoken, 1).flatten(0, 1)
        if wanted is not None:
            spoken = spoken.index_select(0, wanted)
        return self.linear("output", F.dropout(spoken, self.dropout, self.training)), looked


def train_step(folder):
    plan = read_plan(folder)
    features = read_input(folder)
    shape = (plan["rows"], plan["time"])
    tokens, targets = torch.tensor(plan["inputs"]).view(shape), torch.tensor(plan["targets"])
    model = Captioner(plan["config"], read_weights(folder))
    optimizer = torch.optim.Adam(model.parameters(), lr=plan["learningRate"], fused=True)

    def backward():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(features, tokens)[0], targets)
        loss.backward()
        return loss.item()

    def run():
        loss = backward()
        optimizer.step()
        return loss

    def check():
        backward()
        norm = nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()]).item()
        return {"numbers": {"losses": [run() for _ in range(CHECKED_STEPS)], "gradientNorm": [norm]}}

    return check, run


def epoch(folder):
    plan = read_plan(folder)
    recipe, config, batches = plan["recipe"], plan["config"], plan["batches"]
    size = plan["positions"] * config["featureSize"]
    stored = open(plan["features"], "rb")
    model = Captioner(config, read_weights(folder), recipe["dropout"])
    rate, decay = recipe["learningRate"], recipe["weightDecay"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay, fused=True)

    def features_of(pictures):
        halves = np.empty((len(pictures), plan["positions"], config["featureSize"]), np.float16)
        for row, picture in zip(halves, pictures):
            stored.seek(picture * size * 2)
            stored.readinto(row)
        return torch.from_numpy(halves).float()

    def step(batch, learn):
        shape = (batch["rows"], batch["time"])
        tokens = torch.tensor(batch["inputs"]).view(shape)
        mask = torch.tensor(batch["mask"], dtype=torch.float32).view(shape)
        optimizer.zero_grad(set_to_none=True)
        logits, looked = model(features_of(batch["pictures"]), tokens, torch.tensor(batch["wanted"]))
        words = F.cross_entropy(logits, torch.tensor(batch["targets"]), label_smoothing=recipe["labelSmoothing"])
        spread = ((1 - (torch.stack(looked, 1) * mask.unsqueeze(-1)).sum(1)) ** 2).mean()
        loss = words + recipe["doublyStochastic"] * spread
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), recipe["clipNorm"])
        if learn:
            optimizer.step()
        return {"losses": [loss.item()], "gradientNorm": [norm.item()]}

    def check():
        model.eval()
        numbers = step(batches[0], False)
        model.train()
        return {"numbers": numbers}

    done = 0

    def run():
        nonlocal done
        step(batches[done % len(batches)], True)
        done += 1

    return check, run


def beam(folder):
    """Beam search of transformers where no token ends a caption: the likeliest `beamSize` hypotheses go on, to the end."""
    plan = read_plan(folder)
    width, vocabulary = plan["beamSize"], plan["config"]["vocabSize"]
    features = read_input(folder)
    model = Captioner(plan["config"], read_weights(folder))

    @torch.inference_mode()
    def captions():
        pictures = len(features)
        memory, state = model.remember(features)
        state = [x.repeat_interleave(width, 0) for x in state]
        last = torch.full((pictures * width,), plan["startId"])
        sums = torch.full((pictures, width), -torch.inf)
        sums[:, 0] = 0  # all hypotheses are the same one at first
        spoken = torch.empty(pictures * width, 0, dtype=torch.long)
        first = torch.arange(pictures).unsqueeze(1) * width
        for _ in range(plan["words"]):
            state, _ = model.step(model.word_gates(F.embedding(last, model.embedding)), state, memory)
            log_probs = torch.log_softmax(model.linear("output", state[0]), -1).view(pictures, width, vocabulary)
            sums, chosen = (sums.unsqueeze(-1) + log_probs).view(pictures, -1).topk(width)
            parents = (first + chosen // vocabulary).view(-1)
            last = (chosen % vocabulary).view(-1)
            state = [x[parents] for x in state]
            spoken = torch.cat([spoken[parents], last.unsqueeze(1)], 1)
        return spoken.view(pictures, width, -1)[:, 0].tolist(), sums[:, 0].tolist()

    def check():
        tokens, sums = captions()
        return {"numbers": {"logProbs": sums}, "captions": tokens}

    return check, captions
