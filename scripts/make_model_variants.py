#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "transformers==4.57.6", "safetensors", "torchvision", "timm>=1.0", "pillow", "numpy"]
# ///
"""Makes golden cases of models with configurations drawn by a seed, in the form of test/goldens/models, so that the tests
of test/goldenModels read them:

    python scripts/make_model_variants.py 1 /tmp/variants/1 [CASE ...]
    GOLDEN_MODELS=/tmp/variants/1 npx vitest run test/goldenModels

The tokenizers are those of test/goldens/models, or of the folder that GOLDEN_TOKENIZERS names. Where transformers 4.57.6
has a known fault the case holds what other versions give: the losses of VisionEncoderDecoder and GIT, whose labels it
shifts twice. Attention is `eager`, as the others pass over some settings of GPT-2.

Greedy and beam search are run in single and double precision, and what differs between them is left out: a tie, or
nearly one.
"""

import copy
import json
import os
import random
import shutil
import sys
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers as hf
from safetensors.torch import save_file

TOKENIZERS = Path(
    os.environ.get("GOLDEN_TOKENIZERS", Path(__file__).resolve().parent.parent / "test" / "goldens" / "models")
)
ACTIVATIONS = ["gelu", "gelu_new", "relu", "quick_gelu", "silu", "gelu_pytorch_tanh"]
NORMS = ("norm", "ln_", "bn", "visual_projection.1", "shortcut.normalization", "downsample.1")
TEXTS = [
    "a dog runs on the street .",
    "two sheep and a guitar",
    "A man sits quietly near a broken window .",
    "a photo of a red dog",
    "two dogs!",
]

hf.logging.set_verbosity_error()
warnings.simplefilter("ignore")  # of lengths that cannot be met
torch.set_num_threads(1)  # these models are too small for more


class Draw(random.Random):
    """What a seed chooses."""

    def activation(self):
        return self.choice(ACTIVATIONS)

    def epsilon(self):
        return self.choice([1e-12, 1e-6, 1e-5, 1e-3])

    def heads(self):
        """A hidden size and a number of heads that divides it."""
        heads = self.choice([1, 2, 3, 4, 6])
        return heads * self.choice([4, 6, 8, 10]) * (2 if heads < 3 else 1), heads

    def layers(self):
        return self.choice([1, 2, 3, 4])

    def picture(self):
        """Height and width of pictures, and of patches."""
        patch = self.choice([4, 8, 10, 16])
        return patch * self.choice([2, 3, 4]), patch

    def flag(self, probability=0.5):
        return self.random() < probability


def fill(model, seed):
    """Weights of visible size: layers keep the deviation of what they read, norms differ from 1 and 0."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            lower = name.lower()
            if parameter.dim() == 0:
                continue  # scales of logits
            if parameter.numel() == 1:
                parameter.normal_(0, 0.5)
            elif parameter.dim() == 1 and any(mark in lower for mark in NORMS):
                parameter.normal_(1 if lower.endswith("weight") else 0, 0.2)
            elif parameter.dim() == 1:
                parameter.normal_(0, 0.3)
            elif "embed" in lower or "wte" in lower or "wpe" in lower or "token" in lower:
                parameter.normal_(0, 0.6)
            elif parameter.dim() == 4:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5)
            else:
                parameter.normal_(0, 1.2 / parameter.shape[-1] ** 0.5)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.3)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    model.tie_weights()
    return model.eval()


class Case:
    def __init__(self, folder, name, tokenizer=None):
        self.folder = folder / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.values, self.results, self.tensors, self.notes = {}, {}, {}, []
        if tokenizer:
            for file in (TOKENIZERS / tokenizer).iterdir():
                if file.name != "golden.json":
                    shutil.copy(file, self.folder)
            self.tokenizer = hf.AutoTokenizer.from_pretrained(self.folder)

    def given(self, name, value):
        self.put(f"in.{name}", value, {})

    def out(self, name, value, atol=1e-4, rtol=1e-4):
        value = value.reshape(1) if value.dim() == 0 else value
        # Tolerances of the goldens are for values of about 1.
        self.put(f"out.{name}", value, {"atol": atol * max(1.0, value.abs().max().item() / 8), "rtol": rtol})

    def put(self, name, value, extra):
        value = value.detach()
        if value.dtype == torch.int64:
            value = value.int()
        self.values[name] = value.contiguous().clone()
        self.tensors[name] = {"shape": list(value.shape), "dtype": str(value.dtype)[6:], **extra}

    def save(self, model):
        model.save_pretrained(self.folder)
        save_file(self.values, self.folder / "golden.safetensors")
        versions = {"torch": torch.__version__, "transformers": hf.__version__}
        golden = {"case": self.folder.name, "split": "drawn", "versions": versions}
        golden |= {"tensors": self.tensors, "results": self.results, "notes": self.notes}
        (self.folder / "golden.json").write_text(json.dumps(golden, indent=1))


def generation_configs(draw, vocabulary, ends, length, many, ends_vary=True):
    """Settings of `generate`: those of the goldens, and some drawn."""
    steps = {"max_new_tokens": length}
    chosen = lambda count: draw.sample(range(5, vocabulary - 5), count)  # noqa: E731
    configs = [
        {"num_beams": 1, **steps},
        {"num_beams": 1, "no_repeat_ngram_size": 2, **steps},
        {"num_beams": 4, "length_penalty": 0.8, "early_stopping": False, "num_return_sequences": 3, **steps},
        {"num_beams": 4, "length_penalty": 0.8, "early_stopping": True, "num_return_sequences": 3, **steps},
        {"num_beams": 4, "length_penalty": 2.0, "early_stopping": True, "num_return_sequences": 3, **steps},
        {
            "num_beams": 3,
            "no_repeat_ngram_size": 2,
            "repetition_penalty": 1.3,
            "length_penalty": 0.8,
            "num_return_sequences": 3,
            **steps,
        },
    ]
    if many:
        configs += [
            {"num_beams": 1, "repetition_penalty": 1.3, **steps},
            {"num_beams": 1, "min_new_tokens": 6, "bad_words_ids": [[word] for word in chosen(3)], **steps},
            {"num_beams": 4, "length_penalty": 1.0, "early_stopping": "never", "num_return_sequences": 1, **steps},
            {"num_beams": 4, "min_length": 9, "early_stopping": True, "num_return_sequences": 3, **steps},
        ]
    for _ in range(6):
        beams = draw.choice([1, 2, 3, 5])
        config = {"num_beams": beams, "max_new_tokens": draw.randint(3, length)}
        extras = {
            "eos_token_id": [ends, *chosen(draw.choice([1, 2, 40]))],
            "repetition_penalty": draw.choice([0.8, 1.2, 2.0]),
            "no_repeat_ngram_size": draw.choice([1, 2, 3]),
            "min_new_tokens": draw.randint(1, 5),
            "min_length": draw.randint(2, 12),
            "bad_words_ids": [chosen(draw.choice([1, 1, 2])) for _ in range(4)],
            "suppress_tokens": chosen(30),
            "begin_suppress_tokens": chosen(30),
            "exponential_decay_length_penalty": (draw.randint(1, 4), 1.3),
            "forced_eos_token_id": ends,
        }
        drawn = draw.sample(sorted(extras), draw.choice([0, 1, 2, 3]))
        if not ends_vary:
            drawn = [name for name in drawn if name != "eos_token_id"]  # BLIP takes it from its configuration alone
        config |= {name: extras[name] for name in drawn}
        if beams > 1:
            config["length_penalty"] = draw.choice([-0.7, 0.0, 0.6, 1.0, 1.9])
            config["early_stopping"] = draw.choice([True, False, "never"])
            config["num_return_sequences"] = draw.randint(1, beams)
            if draw.flag(0.2):
                config["renormalize_logits"] = True
        configs.append(config)
    return configs


def generate(case, model, config, inputs):
    """What `generate` gives, or nothing where single and double precision do not agree or there is no result.

    An end that may not come, at -inf, becomes NaN by exponential_decay_length_penalty, and torch takes NaN for the largest.
    """
    settings = {"return_dict_in_generate": True, "output_scores": True, "do_sample": False, **config}

    def run(dtype):
        given = {key: value.to(dtype) if value.is_floating_point() else value.clone() for key, value in inputs.items()}
        return (model if dtype == torch.float32 else model.twice).generate(**given, **copy.deepcopy(settings))

    with torch.no_grad():
        single, double = run(torch.float32), run(torch.float64)
    sequences = single.sequences.tolist()
    if sequences != double.sequences.tolist() or any(scores.isnan().any() for scores in single.scores):
        return None
    entry = {"config": config, "sequences": sequences}
    if config["num_beams"] > 1:
        entry["sequences_scores"] = single.sequences_scores.tolist()
        entry["beam_indices"] = single.beam_indices.tolist()
        if entry["beam_indices"] != double.beam_indices.tolist():
            return None
    entry["text"] = case.tokenizer.batch_decode(single.sequences, skip_special_tokens=True)
    return entry


def doubled(model):
    double = copy.deepcopy(model).double()
    for part in double.modules():
        if getattr(part, "reorder_and_upcast_attn", False):
            part.reorder_and_upcast_attn = False  # which would be back to single precision
    return double


def add_generated(case, model, name, configs, inputs):
    model.twice = doubled(model)
    entries = [generate(case, model, config, inputs) for config in configs]
    if entries[0] is None:
        raise SystemExit(f"{case.folder.name}: a tie in greedy search; take another seed")
    lost = entries.count(None)
    if lost:
        print(
            f"  {case.folder.name}: {lost} of {len(entries)} results of {name} hang on a tie or are NaN, and are left out"
        )
    case.results[name] = [entry for entry in entries if entry]
    with torch.no_grad():
        given = {key: value.clone() for key, value in inputs.items()}
        found = model.generate(**given, **configs[0], return_dict_in_generate=True, output_logits=True, do_sample=False)
    case.out(f"{name}.greedy_step_logits", torch.stack(found.logits[:5], 1), 5e-4)
    del model.twice


def labels_of(ids, mask):
    return ids.masked_fill(mask == 0, -100)


def texts_of(case, draw):
    return draw.sample(TEXTS, 3)


def vit_settings(draw):
    size, heads = draw.heads()
    image, patch = draw.picture()
    if draw.flag(0.3):
        image, patch = [image, image + patch], [patch, patch // 2]
    settings = dict(
        hidden_size=size,
        num_attention_heads=heads,
        num_hidden_layers=draw.layers(),
        intermediate_size=draw.choice([20, 36, 64]),
        hidden_act=draw.activation(),
        layer_norm_eps=draw.epsilon(),
        qkv_bias=draw.flag(),
        image_size=image,
        patch_size=patch,
        pooler_act=draw.choice(["tanh", "relu", "gelu"]),
        hidden_dropout_prob=draw.choice([0.0, 0.1]),
        attention_probs_dropout_prob=0.0,
    )
    if draw.flag():
        settings["pooler_output_size"] = draw.choice([11, 25])
    return settings


def sides(size):
    return list(size) if isinstance(size, (list, tuple)) else [size, size]


def pixels(image, count=3, channels=3):
    return torch.randn(count, channels, *sides(image))


def make_vit(folder, draw, seed):
    case = Case(folder, "vit")
    channels = draw.choice([1, 3, 4])
    settings = vit_settings(draw)
    for name in ("image_size", "patch_size"):
        settings[name] = sides(settings[name])[0]  # positions of others cannot be interpolated
    config = hf.ViTConfig(**settings, num_channels=channels, attn_implementation="eager")
    model = fill(hf.ViTModel(config), seed)
    given, (rows, columns) = pixels(config.image_size, 2, channels), sides(config.patch_size)
    height, width = sides(config.image_size)
    larger = torch.randn(1, channels, height + rows * draw.choice([0, 1, 2]), width + columns * draw.choice([-1, 1]))
    with torch.no_grad():
        found = model(given, output_hidden_states=True, output_attentions=True)
        resized = model(larger, interpolate_pos_encoding=True)
    case.given("pixel_values", given)
    for layer, states in enumerate(found.hidden_states):
        case.out(f"hidden_states.{layer}", states)
    for layer, weights in enumerate(found.attentions):
        case.out(f"attentions.{layer}", weights)
    case.out("last_hidden_state", found.last_hidden_state)
    case.out("pooler_output", found.pooler_output)
    case.given("pixel_values_large", larger)
    case.out("interpolate_pos_encoding.last_hidden_state", resized.last_hidden_state)
    case.save(model)


def make_vit_cls(folder, draw, seed):
    case = Case(folder, "vit_cls")
    config = hf.ViTConfig(**vit_settings(draw), num_labels=draw.choice([2, 5, 9]), attn_implementation="eager")
    model = fill(hf.ViTForImageClassification(config), seed)
    given = pixels(config.image_size, 2)
    case.given("pixel_values", given)
    case.out("logits", model(given).logits)
    case.save(model)


def tower(draw):
    size, heads = draw.heads()
    return dict(
        hidden_size=size,
        num_attention_heads=heads,
        num_hidden_layers=draw.layers(),
        intermediate_size=draw.choice([20, 36, 64]),
        hidden_act=draw.activation(),
        layer_norm_eps=draw.epsilon(),
    )


def picture_tower(draw):
    image, patch = draw.picture()
    return dict(**tower(draw), image_size=image, patch_size=patch)


def make_clip(folder, draw, seed):
    case = Case(folder, "clip", "tokenizer_clip")
    length = draw.choice([24, 30])
    case.tokenizer.model_max_length = length
    file = case.folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_max_length": length}, indent=2))
    end = case.tokenizer.eos_token_id
    config = hf.CLIPConfig(
        text_config=dict(
            **tower(draw),
            vocab_size=len(case.tokenizer) + (0 if draw.flag() else 3),
            max_position_embeddings=length + draw.choice([0, 3]),
            bos_token_id=case.tokenizer.bos_token_id,
            eos_token_id=draw.choice([2, end]),
            pad_token_id=end,
        ),
        vision_config=picture_tower(draw),
        projection_dim=draw.choice([9, 16, 24]),
        attn_implementation="eager",
    )
    model = fill(hf.CLIPModel(config), seed)
    texts = texts_of(case, draw)
    encoded = case.tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    given = pixels(config.vision_config.image_size, 2)
    with torch.no_grad():
        found = model(**encoded, pixel_values=given, output_hidden_states=True)
        words = model.get_text_features(**encoded)
        pictures = model.get_image_features(given)
    case.given("input_ids", encoded.input_ids)
    case.given("attention_mask", encoded.attention_mask)
    case.given("pixel_values", given)
    case.out("text_embeds", found.text_embeds)
    case.out("image_embeds", found.image_embeds)
    case.out("logits_per_image", found.logits_per_image, 5e-4)
    case.out("logits_per_text", found.logits_per_text, 5e-4)
    for name, part in (("text", found.text_model_output), ("vision", found.vision_model_output)):
        case.out(f"{name}.last_hidden_state", part.last_hidden_state)
        case.out(f"{name}.pooler_output", part.pooler_output)
        for layer, states in enumerate(part.hidden_states):
            case.out(f"{name}.hidden_states.{layer}", states)
    case.out("get_text_features", words)
    case.out("get_image_features", pictures)
    pairs, both = found.logits_per_text[:2, :2], torch.arange(2)
    case.out("contrastive_loss_first2", (F.cross_entropy(pairs, both) + F.cross_entropy(pairs.T, both)) / 2)
    case.results["texts"] = texts
    case.save(model)


def make_siglip(folder, draw, seed):
    case = Case(folder, "siglip")
    vision = picture_tower(draw)
    length, vocabulary = draw.choice([8, 16]), draw.choice([200, 300])
    # Logits compare what the head of the texts gives with pictures: the sizes are one.
    text = dict(
        **tower(draw), vocab_size=vocabulary, max_position_embeddings=length, projection_size=vision["hidden_size"]
    )
    config = hf.SiglipConfig(text_config=text, vision_config=vision, attn_implementation="eager")
    model = fill(hf.SiglipModel(config), seed)
    ids = torch.randint(0, vocabulary, (3, draw.choice([length, length - 2])))
    given = pixels(vision["image_size"], 2)
    with torch.no_grad():
        found = model(input_ids=ids, pixel_values=given)
    case.given("input_ids", ids)
    case.given("pixel_values", given)
    case.out("text_embeds", found.text_embeds)
    case.out("image_embeds", found.image_embeds)
    case.out("logits_per_image", found.logits_per_image, 5e-4)
    case.out("vision.last_hidden_state", found.vision_model_output.last_hidden_state)
    case.out("vision.pooler_output", found.vision_model_output.pooler_output)
    case.out("text.last_hidden_state", found.text_model_output.last_hidden_state)
    pairs = found.logits_per_text[:2, :2]
    case.out("loss_2x2", -F.logsigmoid(pairs * (2 * torch.eye(2) - 1)).sum(-1).mean())
    case.save(model)


def make_resnet(kind):
    def make(folder, draw, seed):
        case = Case(folder, f"resnet_hf_{kind}")
        stages = draw.choice([2, 3, 4])
        sizes = sorted(draw.sample(range(8, 64, 4), stages))
        if kind == "bottleneck":
            sizes = [4 * (size // 4) for size in sizes]
        config = hf.ResNetConfig(
            embedding_size=draw.choice([8, 12, sizes[0]]),
            hidden_sizes=sizes,
            depths=[draw.choice([1, 2, 3]) for _ in sizes],
            layer_type=kind,
            hidden_act=draw.choice(["relu", "gelu", "silu"]),
            downsample_in_first_stage=draw.flag(),
            downsample_in_bottleneck=draw.flag(),
            num_labels=draw.choice([3, 7]),
        )
        model = fill(hf.ResNetForImageClassification(config), seed)
        given = torch.randn(2, 3, draw.choice([32, 50, 64]), draw.choice([32, 45, 64]))
        with torch.no_grad():
            found = model.resnet(given, output_hidden_states=True)
            logits = model(given).logits
        case.given("pixel_values", given)
        for stage, states in enumerate(found.hidden_states):
            case.out(f"hidden_states.{stage}", states)
        case.out("feature_map", found.last_hidden_state)
        case.out("pooled", found.pooler_output)
        case.out("logits", logits)
        case.save(model)

    return make


def train_step(case, model, given, labels, last_norm):
    """What one step with batch norm in training makes."""
    model.train()
    loss = F.cross_entropy(model(given), labels)
    loss.backward()
    case.given("train.labels", labels)
    case.out("train.loss", loss)
    state = model.state_dict()
    case.out("train.bn1.running_mean", state["bn1.running_mean"])
    case.out("train.bn1.running_var", state["bn1.running_var"])
    case.out("train.layer4.last_bn.running_var", state[f"{last_norm}.running_var"])
    for name in ("conv1.weight", "fc.weight", "bn1.weight"):
        case.out(f"train.grad.{name}", model.get_parameter(name).grad, 1e-3, 1e-3)


def save_arguments(case, model, arguments, state):
    """In place of what `save_pretrained` writes: the arguments of the class, and the weights."""
    model.save_pretrained = lambda folder: (
        (folder / "config.json").write_text(json.dumps(arguments, indent=1)),
        save_file(state, folder / "model.safetensors"),
    )
    case.save(model)


def make_resnet_tv(kind):
    def make(folder, draw, seed):
        from torchvision.models import resnet

        case = Case(folder, f"resnet_tv_{kind}")
        base = getattr(resnet, "BasicBlock" if kind == "basic" else "Bottleneck")
        expansion = 1 if kind == "basic" else draw.choice([2, 4])
        block = type(base.__name__, (base,), {"expansion": expansion})
        planes = sorted(draw.sample(range(8, 40, 4), 4))
        layers = [draw.choice([1, 2, 3]) for _ in planes]
        groups, width, dilated = 1, 64, [False] * 3
        if kind == "bottleneck":
            groups, width = draw.choice([(1, 64), (1, 128), (2, 32), (4, 64)])
            dilated = draw.choice([dilated, [False, False, True], [False, True, True]])
        model = resnet.ResNet(
            block, [1] * 4, 11, groups=groups, width_per_group=width, replace_stride_with_dilation=dilated
        )
        stem, epsilon = draw.choice([8, 12, 16]), draw.choice([1e-5, 1e-3])
        # The class has fixed widths; built again from narrower ones as its constructor does.
        model.inplanes = stem
        model.dilation = 1
        model.conv1, model.bn1 = torch.nn.Conv2d(3, stem, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(stem)
        model.layer1 = model._make_layer(block, planes[0], layers[0])
        for stage in (1, 2, 3):
            made = model._make_layer(block, planes[stage], layers[stage], stride=2, dilate=dilated[stage - 1])
            setattr(model, f"layer{stage + 1}", made)
        classes = draw.choice([5, 11])
        model.fc = torch.nn.Linear(planes[3] * expansion, classes)
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.eps = epsilon
        model.tie_weights = lambda: None
        fill(model, seed)
        given = torch.randn(2, 3, draw.choice([64, 70]), draw.choice([64, 96]))
        with torch.no_grad():
            stem_map = model.maxpool(model.relu(model.bn1(model.conv1(given))))
            maps = [stem_map]
            for stage in range(1, 5):
                maps.append(getattr(model, f"layer{stage}")(maps[-1]))
            pooled = maps[-1].mean((2, 3))
            logits = model(given)
        case.given("pixel_values", given)
        for name, value in zip(("stem", "layer1", "layer2", "layer3", "feature_map"), maps):
            case.out(name, value)
        case.out("pooled", pooled)
        case.out("logits", logits)
        for side in draw.sample([1, 2, 3, 5, 7], 2):
            case.out(f"adaptive_avgpool_{side}x{side}_of_feature_map", F.adaptive_avg_pool2d(maps[-1], side))
        state = {name: value.clone() for name, value in model.state_dict().items()}
        last = [name for name, part in model.named_modules() if isinstance(part, torch.nn.BatchNorm2d)][-1]
        train_step(case, model, given, torch.randint(0, classes, (2,)), last)
        arguments = dict(arch="torchvision_resnet", block=base.__name__, layers=layers, planes=planes, stem_width=stem)
        arguments |= dict(
            expansion=expansion, groups=groups, width_per_group=width, num_classes=classes, bn_eps=epsilon
        )
        save_arguments(case, model, {**arguments, "replace_stride_with_dilation": dilated}, state)

    return make


def make_resnet_timm(folder, draw, seed):
    from timm.models import resnet

    case = Case(folder, "resnet_timm_d")
    block = draw.choice(["basic", "bottleneck"])
    channels = sorted(draw.sample(range(8, 40, 4), 4))
    layers = [draw.choice([1, 2]) for _ in channels]
    arguments = dict(
        layers=layers, channels=channels, stem_width=draw.choice([8, 12, 32]), num_classes=draw.choice([5, 9])
    )
    arguments |= dict(stem_type=draw.choice(["deep", "deep_tiered"]), avg_down=draw.flag(0.7))
    model = resnet.ResNet(getattr(resnet, "BasicBlock" if block == "basic" else "Bottleneck"), **arguments)
    model.tie_weights = lambda: None
    fill(model, seed)
    given = torch.randn(2, 3, draw.choice([64, 46]), draw.choice([64, 70]))
    with torch.no_grad():
        seen = model.forward_features(given)
        case.given("pixel_values", given)
        case.out("feature_map", seen)
        case.out("pooled", seen.mean((2, 3)))
        case.out("logits", model(given))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    save_arguments(case, model, {"arch": "timm_resnet", "block": block, **arguments}, state)


def bert_ids(tokenizer):
    return {
        "decoder_start_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def make_ved(kind):
    def make(folder, draw, seed):
        case = Case(folder, f"ved_vit_{kind}", f"tokenizer_{kind}")
        tokenizer = case.tokenizer
        encoder = hf.ViTConfig(**vit_settings(draw))
        size, heads = draw.heads()
        if draw.flag(0.3):
            size, heads = encoder.hidden_size, encoder.num_attention_heads
        vocabulary = len(tokenizer) + draw.choice([0, 0, 3])
        common = dict(vocab_size=vocabulary, is_decoder=True, add_cross_attention=True, tie_word_embeddings=draw.flag())
        if kind == "gpt2":
            end = tokenizer.eos_token_id
            ids = {"decoder_start_token_id": end, "eos_token_id": end, "pad_token_id": draw.choice([end, 0, 7])}
            decoder = hf.GPT2Config(
                n_embd=size,
                n_head=heads,
                n_layer=draw.layers(),
                n_inner=draw.choice([None, 30, 50]),
                n_positions=draw.choice([24, 40]),
                activation_function=draw.activation(),
                layer_norm_epsilon=draw.epsilon(),
                scale_attn_weights=draw.flag(),
                scale_attn_by_inverse_layer_idx=draw.flag(),
                reorder_and_upcast_attn=draw.flag(0.3),
                bos_token_id=end,
                eos_token_id=end,
                **common,
            )
        else:
            ids = bert_ids(tokenizer)
            decoder = hf.BertConfig(
                hidden_size=size,
                num_attention_heads=heads,
                num_hidden_layers=draw.layers(),
                intermediate_size=draw.choice([20, 50]),
                hidden_act=draw.activation(),
                layer_norm_eps=draw.epsilon(),
                max_position_embeddings=draw.choice([24, 40]),
                type_vocab_size=draw.choice([1, 2, 3]),
                **common,
            )
        config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, **ids)
        config.tie_word_embeddings = False
        model = hf.VisionEncoderDecoderModel(config=config)
        model.set_attn_implementation("eager")
        fill(model, seed)
        start = ids["decoder_start_token_id"]
        model.generation_config = hf.GenerationConfig(bos_token_id=start, **ids)
        encoded = tokenizer(texts_of(case, draw), return_tensors="pt", padding=True) if kind == "bert" else None
        if kind == "bert":
            labels = labels_of(encoded.input_ids, encoded.attention_mask)
        else:
            rows = [[*tokenizer(text).input_ids, start] for text in texts_of(case, draw)]
            longest = max(map(len, rows))
            labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
        given = pixels(encoder.image_size)
        shifted = torch.cat(
            [torch.full((3, 1), start), labels[:, :-1].masked_fill(labels[:, :-1] == -100, ids["pad_token_id"])], 1
        )
        found = model(pixel_values=given, decoder_input_ids=shifted, output_hidden_states=True, output_attentions=True)
        loss = F.cross_entropy(found.logits.flatten(0, 1), labels.flatten())
        loss.backward()
        explicit = torch.randint(3, vocabulary, (3, 7))
        mask = torch.ones(3, 7).long()
        mask[1, 5:] = mask[2, 3:] = 0
        with torch.no_grad():
            masked = model(pixel_values=given, decoder_input_ids=explicit, decoder_attention_mask=mask)
            wrong = model(pixel_values=given, labels=labels).loss
        case.given("pixel_values", given)
        case.given("labels", labels)
        case.out("teacher_forced.loss", loss)
        case.out("teacher_forced.logits", found.logits, 2e-4)
        case.out("encoder_last_hidden_state", found.encoder_last_hidden_state)
        for layer, weights in enumerate(found.cross_attentions):
            case.out(f"cross_attentions.{layer}", weights[:1])
        for layer, states in enumerate(found.decoder_hidden_states):
            case.out(f"decoder_hidden_states.{layer}", states[:1])
        case.given("decoder_input_ids", explicit)
        case.given("decoder_attention_mask", mask)
        case.out("explicit.logits", masked.logits, 2e-4)
        grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        for name in draw.sample([name for name in grads if "key.bias" not in name], 4):
            case.out(f"grad.{name}", grads[name], 1e-4, 1e-3)
        case.results["loss_from_transformers_4_57_6_double_shift_bug"] = wrong.item()
        case.results["grad_norms"] = {name: grad.norm().item() for name, grad in grads.items()}
        model.zero_grad(set_to_none=True)
        configs = generation_configs(draw, len(tokenizer), ids["eos_token_id"], 14, True)
        add_generated(case, model, "generate", configs, {"pixel_values": given})
        alone, model.twice = None, doubled(model)
        for config in case.results["generate"]:
            if config["config"]["num_beams"] > 1 and not alone:
                alone = generate(case, model, config["config"], {"pixel_values": given[:1]})
        del model.twice
        case.results["generate_batch1"] = alone
        case.save(model)

    return make


def blip_config(case, draw):
    tokenizer = case.tokenizer
    text = tower(draw)
    return hf.BlipConfig(
        text_config=dict(
            **text,
            vocab_size=len(tokenizer) + draw.choice([0, 0, 3]),
            max_position_embeddings=draw.choice([32, 40]),
            bos_token_id=tokenizer.convert_tokens_to_ids("[DEC]"),
            sep_token_id=tokenizer.sep_token_id,
            eos_token_id=draw.choice([tokenizer.sep_token_id, 2]),
            pad_token_id=tokenizer.pad_token_id,
            label_smoothing=draw.choice([0.0, 0.1]),
            tie_word_embeddings=draw.flag(0.7),
            projection_dim=draw.choice([24, 768]),
            hidden_dropout_prob=draw.choice([0.0, 0.1]),
        ),
        vision_config=picture_tower(draw),
        image_text_hidden_size=draw.choice([9, 24]),
        projection_dim=draw.choice([24, 31]),
        attn_implementation="eager",
    )


def blip_inputs(case, draw, model):
    texts = texts_of(case, draw)
    encoded = case.tokenizer(texts, padding=True, return_tensors="pt")
    given = pixels(model.config.vision_config.image_size)
    case.given("pixel_values", given)
    case.given("input_ids", encoded.input_ids)
    case.given("attention_mask", encoded.attention_mask)
    return texts, given, encoded.input_ids, encoded.attention_mask


def make_blip_caption(folder, draw, seed):
    case = Case(folder, "blip_caption", "tokenizer_blip")
    model = fill(hf.BlipForConditionalGeneration(blip_config(case, draw)), seed)
    texts, given, ids, mask = blip_inputs(case, draw, model)
    labels = labels_of(ids, mask)
    with torch.no_grad():
        found = model(pixel_values=given, input_ids=ids, attention_mask=mask, labels=labels)
        seen = model.vision_model(given, output_hidden_states=True)
    case.out("image_embeds", found.image_embeds)
    case.out("vision.pooler_output", seen.pooler_output)
    for layer, states in enumerate(seen.hidden_states):
        case.out(f"vision.hidden_states.{layer}", states[:1])
    case.out("logits", found.logits, 2e-4)
    case.given("labels", labels)
    case.out("loss", found.loss)
    end = model.config.text_config.sep_token_id
    add_generated(
        case,
        model,
        "generate_unconditional",
        generation_configs(draw, len(case.tokenizer), end, 14, True, False),
        {"pixel_values": given},
    )
    prompt = draw.choice(["a photo of", "two", "a red dog"])
    read = case.tokenizer([prompt] * 3, return_tensors="pt")
    case.given("prompt_input_ids", read.input_ids)
    case.given("prompt_attention_mask", read.attention_mask)
    inputs = {"pixel_values": given, "input_ids": read.input_ids, "attention_mask": read.attention_mask}
    add_generated(
        case, model, "generate_prompt", generation_configs(draw, len(case.tokenizer), end, 11, False, False), inputs
    )
    case.results["texts"], case.results["prompt"] = texts, prompt
    case.save(model)


def make_blip_itm(folder, draw, seed):
    case = Case(folder, "blip_itm", "tokenizer_blip")
    model = fill(hf.BlipForImageTextRetrieval(blip_config(case, draw)), seed)
    _, given, ids, mask = blip_inputs(case, draw, model)
    with torch.no_grad():
        judged = model(input_ids=ids, pixel_values=given, attention_mask=mask, use_itm_head=True)
        angles = model(input_ids=ids, pixel_values=given, attention_mask=mask, use_itm_head=False)
        alone = model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        text = F.normalize(model.text_proj(alone[:, 0]), dim=-1)
        picture = F.normalize(model.vision_proj(model.vision_model(given)[0][:, 0]), dim=-1)
    case.out("itm_score", judged.itm_score)
    case.out("question_embeds", judged.question_embeds, 2e-4)
    case.out("itc_cosine", angles.itm_score)
    case.out("text_last_hidden_state_no_image", alone)
    case.out("text_feat", text)
    case.out("image_feat", picture)
    case.save(model)


def make_git(folder, draw, seed):
    case = Case(folder, "git", "tokenizer_bert")
    tokenizer = case.tokenizer
    frames = draw.choice([None, None, 2, 4])
    config = hf.GitConfig(
        **tower(draw),
        vision_config=picture_tower(draw),
        vocab_size=len(tokenizer) + draw.choice([0, 0, 3]),
        max_position_embeddings=draw.choice([32, 40]),
        num_image_with_embedding=frames,
        tie_word_embeddings=draw.flag(),
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager",
    )
    model = fill(hf.GitForCausalLM(config), seed)
    model.generation_config = hf.GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )
    image = config.vision_config.image_size
    given = torch.randn(3, frames, 3, image, image) if frames else pixels(image)
    encoded = tokenizer(texts_of(case, draw), padding=True, return_tensors="pt")
    ids, mask = encoded.input_ids, encoded.attention_mask
    labels = labels_of(ids, mask)
    with torch.no_grad():
        found = model(pixel_values=given, input_ids=ids, attention_mask=mask, output_hidden_states=True)
        alone = model(input_ids=ids, attention_mask=mask)
        wrong = model(pixel_values=given, input_ids=ids, attention_mask=mask, labels=labels).loss
        if frames:
            each = [
                model.git.image_encoder(given[:, i]).last_hidden_state + model.git.img_temporal_embedding[i]
                for i in range(frames)
            ]
            tokens = torch.cat(each, 1)
        else:
            tokens = model.git.image_encoder(given).last_hidden_state
    count, time = tokens.shape[1], ids.shape[1]
    logits = found.logits[:, count:]
    assert logits.shape[1] == time
    case.given("pixel_values", given)
    case.given("input_ids", ids)
    case.given("attention_mask", mask)
    case.out("logits", logits, 2e-4)
    case.out("image_position_hidden", found.hidden_states[-1][:1, :count])
    case.out("hidden_states.1", found.hidden_states[1][:1])
    case.given("labels", labels)
    case.out("loss", F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()))
    case.out("logits_no_image", alone.logits, 2e-4)
    case.out("visual_tokens", tokens)
    case.results["num_image_tokens"] = count
    case.results["loss_from_transformers_4_57_6_double_shift_bug"] = wrong.item()
    start = torch.full((3, 1), config.bos_token_id)
    configs = lambda length, many: generation_configs(draw, len(tokenizer), config.eos_token_id, length, many)  # noqa: E731
    add_generated(case, model, "generate", configs(14, True), {"pixel_values": given, "input_ids": start})
    prompt = tokenizer(
        [draw.choice(["a red dog", "two", "a photo of"])] * 3, return_tensors="pt", add_special_tokens=False
    )
    prompt = torch.cat([start, prompt.input_ids], 1)
    case.given("prompt_input_ids", prompt)
    add_generated(case, model, "generate_prompt", configs(11, False), {"pixel_values": given, "input_ids": prompt})
    case.save(model)


def make_blip2_opt(folder, draw, seed):
    case = Case(folder, "blip2_opt", "tokenizer_gpt2")
    vision, count, text = picture_tower(draw), draw.choice([2, 5, 7]), tower(draw)
    asking = tower(draw)
    extra = len(case.tokenizer)
    end, bos, image, pad = case.tokenizer.eos_token_id, extra, extra + 1, extra + 2
    config = hf.Blip2Config(
        vision_config=dict(**vision, qkv_bias=draw.flag()),
        qformer_config=dict(
            **asking,
            vocab_size=extra + 4,
            max_position_embeddings=32,
            cross_attention_frequency=draw.choice([1, 2, 3]),
            encoder_hidden_size=vision["hidden_size"],
        ),
        text_config=dict(
            model_type="opt",
            vocab_size=extra + 4,
            hidden_size=text["hidden_size"],
            word_embed_proj_dim=text["hidden_size"],
            num_attention_heads=text["num_attention_heads"],
            num_hidden_layers=text["num_hidden_layers"],
            ffn_dim=text["intermediate_size"],
            activation_function=text["hidden_act"],
            do_layer_norm_before=draw.flag(0.6),
            enable_bias=draw.flag(0.7),
            _remove_final_layer_norm=draw.flag(0.3),
            tie_word_embeddings=draw.flag(),
            max_position_embeddings=draw.choice([36, 48]),
            bos_token_id=bos,
            eos_token_id=end,
            pad_token_id=pad,
        ),
        num_query_tokens=count,
        image_token_index=image,
        attn_implementation="eager",
    )
    model = fill(hf.Blip2ForConditionalGeneration(config), seed)
    model.generation_config = hf.GenerationConfig(bos_token_id=bos, eos_token_id=end, pad_token_id=pad)
    given = pixels(vision["image_size"])
    words = torch.randint(0, end, (3, 6))
    ids = torch.cat([torch.full((3, count), image), torch.full((3, 1), bos), words], 1)
    mask = torch.ones_like(ids)
    mask[1, -2:] = 0
    ids[mask == 0] = pad
    labels = labels_of(ids, mask)
    labels[:, :count] = -100
    with torch.no_grad():
        found = model(pixel_values=given, input_ids=ids, attention_mask=mask, labels=labels)
        seen = model.vision_model(given).last_hidden_state
        asked = model.qformer(
            query_embeds=model.query_tokens.expand(3, -1, -1), encoder_hidden_states=seen
        ).last_hidden_state
    case.given("pixel_values", given)
    case.given("input_ids", ids)
    case.given("attention_mask", mask)
    case.given("labels", labels)
    case.out("logits", found.logits[:, count - 1 :], 3e-4)
    case.out("loss", found.loss)
    case.out("vision.last_hidden_state", seen)
    case.out("qformer.last_hidden_state", asked)
    case.out("language_projection", model.language_projection(asked))
    configs = generation_configs(draw, end, end, 12, True)
    add_generated(case, model, "generate", configs, {"pixel_values": given})
    case.save(model)


def text_inputs(case, draw, vocabulary):
    """Texts of several lengths, padded, some words masked; some of two sentences."""
    time = draw.choice([6, 9, 14])
    ids = torch.randint(3, vocabulary, (3, time))
    mask = torch.ones_like(ids)
    for row in (1, 2):
        length = draw.randint(3, time)
        ids[row, length:] = mask[row, length:] = 0
    labels = torch.full_like(ids, -100)
    for row in range(3):
        for place in draw.sample(range(3), 2):
            labels[row, place] = draw.randrange(vocabulary)
    case.given("input_ids", ids)
    case.given("attention_mask", mask)
    return ids, mask, labels


def token_types(case, draw, ids, kinds, name="token_type_ids"):
    types = torch.randint(0, kinds, ids.shape[:2])
    case.given(name, types)
    return types


def add_gradients(case, draw, model, loss):
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for name in draw.sample([name for name in grads if "key.bias" not in name], 8):
        case.out(f"grad.{name}", grads[name], 1e-4, 1e-3)
    case.results["grad_norms"] = {name: grad.norm().item() for name, grad in grads.items()}
    model.zero_grad(set_to_none=True)


def bert_settings(draw):
    return dict(
        **tower(draw),
        vocab_size=draw.choice([90, 131]),
        max_position_embeddings=draw.choice([14, 20]),
        type_vocab_size=draw.choice([1, 2, 3]),
        tie_word_embeddings=draw.flag(0.6),
        pad_token_id=draw.choice([0, 0, 1, 7]),
        attn_implementation="eager",
    )


def make_bert_mlm(folder, draw, seed):
    case = Case(folder, "bert_mlm")
    config = hf.BertConfig(**bert_settings(draw))
    model = fill(hf.BertForMaskedLM(config), seed)
    ids, mask, labels = text_inputs(case, draw, config.vocab_size)
    types = token_types(case, draw, ids, config.type_vocab_size)
    found = model(
        ids, mask, types, labels=labels, output_hidden_states=True, output_attentions=True
    )
    case.given("labels", labels)
    case.out("logits", found.logits, 2e-4)
    case.out("loss", found.loss)
    for layer, states in enumerate(found.hidden_states):
        case.out(f"hidden_states.{layer}", states)
    for layer, weights in enumerate(found.attentions):
        case.out(f"attentions.{layer}", weights[: draw.choice([1, 3])])
    add_gradients(case, draw, model, found.loss)
    case.save(model)


def make_visual_bert(folder, draw, seed):
    case = Case(folder, "visual_bert")
    settings = bert_settings(draw)
    config = hf.VisualBertConfig(
        **settings, visual_embedding_dim=draw.choice([5, 20, 33]), special_visual_initialize=draw.flag()
    )
    if config.type_vocab_size == 1:
        config.type_vocab_size = 2
    model = fill(hf.VisualBertForPreTraining(config), seed)
    ids, mask, labels = text_inputs(case, draw, config.vocab_size)
    types = token_types(case, draw, ids, config.type_vocab_size)
    regions = draw.choice([1, 4, 7])
    seen = torch.randn(3, regions, config.visual_embedding_dim)
    seen_mask = torch.ones(3, regions).long()
    seen_mask[1, max(1, regions - 2) :] = 0
    seen_types = token_types(case, draw, seen, config.type_vocab_size, "visual_token_type_ids")
    inputs = {}
    if draw.flag():
        alignment = torch.randint(-1, ids.shape[1], (3, regions, draw.choice([1, 3])))
        alignment[0, 0] = -1
        case.given("image_text_alignment", alignment)
        inputs["image_text_alignment"] = alignment
    labels = torch.cat([labels, torch.full((3, regions), -100)], 1)
    match = torch.randint(0, 2, (3,))
    found = model(
        input_ids=ids,
        attention_mask=mask,
        token_type_ids=types,
        visual_embeds=seen,
        visual_attention_mask=seen_mask,
        visual_token_type_ids=seen_types,
        labels=labels,
        sentence_image_labels=match,
        output_hidden_states=True,
        **inputs,
    )
    case.given("visual_embeds", seen)
    case.given("visual_attention_mask", seen_mask)
    case.given("labels", labels)
    case.given("sentence_image_labels", match)
    case.out("prediction_logits", found.prediction_logits, 2e-4)
    case.out("seq_relationship_logits", found.seq_relationship_logits)
    case.out("loss", found.loss)
    case.out("loss.mlm", F.cross_entropy(found.prediction_logits.flatten(0, 1), labels.flatten()))
    case.out("loss.match", F.cross_entropy(found.seq_relationship_logits, match))
    for layer, states in enumerate(found.hidden_states):
        case.out(f"hidden_states.{layer}", states)
    case.out("hidden_states.last", found.hidden_states[-1])
    add_gradients(case, draw, model, found.loss)
    case.save(model)


def make_lxmert(folder, draw, seed):
    case = Case(folder, "lxmert")
    settings = {**bert_settings(draw), "l_layers": draw.layers(), "x_layers": draw.layers()}
    del settings["num_hidden_layers"]
    config = hf.LxmertConfig(
        **settings,
        r_layers=draw.choice([0, 1, 2, 3]),
        visual_feat_dim=draw.choice([5, 20, 33]),
        visual_pos_dim=draw.choice([4, 4, 5, 6]),
        num_qa_labels=draw.choice([3, 8]),
        num_object_labels=draw.choice([5, 12]),
        num_attr_labels=draw.choice([4, 9]),
        visual_loss_normalizer=draw.choice([1.0, 6.67]),
        **{f"task_{task}": draw.flag(0.8) for task in ("matched", "mask_lm", "obj_predict", "qa")},
        **{f"visual_{part}_loss": part == "obj" or draw.flag(0.7) for part in ("obj", "attr", "feat")},
    )
    if not (config.task_matched or config.task_mask_lm):
        config.task_mask_lm = True
    model = fill(hf.LxmertForPreTraining(config), seed)
    ids, mask, labels = text_inputs(case, draw, config.vocab_size)
    types = token_types(case, draw, ids, config.type_vocab_size)
    regions = draw.choice([1, 4, 7])
    seen, boxes = torch.randn(3, regions, config.visual_feat_dim), torch.rand(3, regions, config.visual_pos_dim)
    seen_mask = torch.ones(3, regions)
    seen_mask[1, max(1, regions - 2) :] = 0
    match = torch.randint(0, 2, (3,))
    kinds = torch.randint(0, config.num_object_labels, (3, regions))
    kinds[2, 0] = -100
    about = {
        "obj": (kinds, torch.rand(3, regions)),
        "attr": (torch.randint(0, config.num_attr_labels, (3, regions)), torch.rand(3, regions)),
        "feat": (2 * torch.randn(3, regions, config.visual_feat_dim), torch.rand(3, regions)),
    }
    inputs = dict(input_ids=ids, attention_mask=mask, token_type_ids=types, visual_feats=seen, visual_pos=boxes)
    inputs |= dict(visual_attention_mask=seen_mask, labels=labels, matched_label=match)
    base = model.lxmert(**{name: value for name, value in inputs.items() if name not in ("labels", "matched_label")})
    both = model(**inputs)
    case.given("visual_feats", seen)
    case.given("visual_pos", boxes)
    case.given("visual_attention_mask", seen_mask)
    case.given("labels", labels)
    case.given("matched_label", match)
    for name, (target, confidence) in about.items():
        case.given(f"{name}_{'target' if name == 'feat' else 'label'}", target)
        case.given(f"{name}_conf", confidence)
    case.out("loss_all_tasks", model(**inputs, obj_labels=about).loss)
    case.out("loss_mlm_plus_match", both.loss)
    case.out("prediction_logits", both.prediction_logits, 2e-4)
    case.out("cross_relationship_score", both.cross_relationship_score)
    case.out("question_answering_score", both.question_answering_score)
    case.out("loss.mlm", F.cross_entropy(both.prediction_logits.flatten(0, 1), labels.flatten()))
    case.out("loss.match", F.cross_entropy(both.cross_relationship_score, match))
    case.out("language_output", base.language_output)
    case.out("vision_output", base.vision_output)
    case.out("pooled_output", base.pooled_output)
    add_gradients(case, draw, model, both.loss)
    case.save(model)


class TableModel(hf.PreTrainedModel, hf.GenerationMixin):
    """A language model without weights: logits = table[(length - 1) % period, last token] + bias[first token]."""

    config_class = hf.PretrainedConfig

    def __init__(self, config, table, bias):
        super().__init__(config)
        self.table, self.bias, self.calls = table, bias, 0
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def prepare_inputs_for_generation(self, input_ids, **_):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **_):
        self.calls += 1
        place = (input_ids.shape[1] - 1) % self.table.shape[0]
        logits = self.table[place, input_ids[:, -1]] + self.bias[input_ids[:, 0]]
        return hf.modeling_outputs.CausalLMOutput(logits=logits[:, None])


def make_beam_table(folder, draw, seed):
    case = Case(folder, "beam_table")
    vocabulary, period = draw.choice([9, 14, 40]), draw.choice([3, 4, 5])
    table = 1.5 * torch.randn(period, vocabulary, vocabulary)
    bias = 0.5 * torch.randn(vocabulary, vocabulary)
    end, pad = draw.choice([1, vocabulary - 1]), draw.choice([0, 2])
    table[..., end] += 0.7
    length = draw.choice([1, 2, 4])
    others = [word for word in range(1, vocabulary) if word not in (end, pad)]  # a bias of 0 is refused
    prompts = [[draw.choice(others) for _ in range(length)] for _ in range(3)]
    config = hf.PretrainedConfig(
        vocab_size=vocabulary, is_encoder_decoder=False, num_hidden_layers=1, hidden_size=1, num_attention_heads=1
    )
    model = TableModel(config, table, bias).eval()
    model.generation_config = hf.GenerationConfig(eos_token_id=end, pad_token_id=pad, use_cache=False)
    given = torch.tensor(prompts)
    chosen = lambda count: draw.sample(others, count)  # noqa: E731
    entries = []
    for _ in range(250):
        beams = draw.choice([1, 2, 3, 4, 6])
        settings = {"num_beams": beams, "max_new_tokens": draw.choice([2, 4, 7, 10])}
        extras = {
            "eos_token_id": draw.choice([None, [end, *chosen(1)], [end, *chosen(3)]]),
            "repetition_penalty": draw.choice([0.7, 1.3]),
            "no_repeat_ngram_size": draw.choice([1, 2, 3]),
            "min_new_tokens": draw.randint(1, 5),
            "min_length": draw.randint(2, 8),
            "bad_words_ids": [chosen(draw.choice([1, 2])) for _ in range(2)],
            "suppress_tokens": chosen(2),
            "begin_suppress_tokens": chosen(2),
            "sequence_bias": [[chosen(1), 1.3], [chosen(2), -2.0]],
            "exponential_decay_length_penalty": (draw.randint(1, 4), 1.3),
            "forced_eos_token_id": end,
        }
        settings |= {name: extras[name] for name in draw.sample(sorted(extras), draw.choice([0, 0, 1, 1, 2, 3]))}
        if settings.get("eos_token_id", end) is None:
            for name in ("min_new_tokens", "min_length", "exponential_decay_length_penalty", "forced_eos_token_id"):
                settings.pop(name, None)
        if beams > 1:
            settings["length_penalty"] = draw.choice([-1.0, 0.0, 0.8, 1.0, 2.0])
            settings["early_stopping"] = draw.choice([True, False, "never"])
            settings["num_return_sequences"] = draw.randint(1, beams)
            if draw.flag(0.1):
                settings["renormalize_logits"] = True

        def run(dtype):
            model.table, model.bias, model.calls = table.to(dtype), bias.to(dtype), 0
            options = copy.deepcopy(settings)
            model.generation_config.eos_token_id = end if options.get("eos_token_id", end) is not None else None
            with torch.no_grad():
                return model.generate(
                    given, **options, return_dict_in_generate=True, output_scores=True, do_sample=False
                )

        double, found = run(torch.float64), run(torch.float32)
        tie = found.sequences.tolist() != double.sequences.tolist()
        if tie or any(scores.isnan().any() for scores in found.scores):
            continue
        if beams > 1:
            # Sums of the same numbers in another order are equal in one precision alone.
            ranked = double.sequences_scores.reshape(3, -1)
            if (
                ranked[:, :-1] - ranked[:, 1:] < 1e-6
            ).any() or found.beam_indices.tolist() != double.beam_indices.tolist():
                continue
        entry = {"config": settings, "sequences": found.sequences.tolist(), "n_steps": model.calls}
        if beams > 1:
            entry |= {"sequences_scores": found.sequences_scores.tolist(), "beam_indices": found.beam_indices.tolist()}
        entries.append(entry)
    case.given("table", table)
    case.given("prompt_bias", bias)
    case.results = {"generate": entries, "legacy_4_48_differs": [], "group_beam_search": []}
    setup = {"prompts": prompts, "eos_token_id": end, "pad_token_id": pad, "vocab_size": vocabulary}
    model.save_pretrained = lambda _: None
    case.save(model)
    file = case.folder / "golden.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "setup": setup}, indent=1))


MAKERS = {
    "vit": make_vit,
    "vit_cls": make_vit_cls,
    "clip": make_clip,
    "siglip": make_siglip,
    "resnet_hf_basic": make_resnet("basic"),
    "resnet_hf_bottleneck": make_resnet("bottleneck"),
    "resnet_tv_basic": make_resnet_tv("basic"),
    "resnet_tv_bottleneck": make_resnet_tv("bottleneck"),
    "resnet_timm_d": make_resnet_timm,
    "ved_vit_gpt2": make_ved("gpt2"),
    "ved_vit_bert": make_ved("bert"),
    "blip_caption": make_blip_caption,
    "blip_itm": make_blip_itm,
    "git": make_git,
    "blip2_opt": make_blip2_opt,
    "bert_mlm": make_bert_mlm,
    "visual_bert": make_visual_bert,
    "lxmert": make_lxmert,
    "beam_table": make_beam_table,
}

if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit("python scripts/make_model_variants.py SEED FOLDER [CASE ...]")
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    for name in sys.argv[3:] or MAKERS:
        torch.manual_seed(seed)
        MAKERS[name](folder, Draw(f"{name} {seed}"), seed)
        print(folder / name)
