# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "torchvision", "timm>=1.0", "keras>=3.5", "numpy"]
# ///
"""Makes test/goldens/encoders.json: features, gradients and names of convolutional networks of torchvision, timm and Keras.

    python scripts/make_encoder_goldens.py

Weights and pictures are not stored: both sides compute them. Number i of a tensor is mix(seed + i * 0x9e3779b1) as a
fraction of 2^32, brought to [-1, 1), where mix is the finaliser of MurmurHash3 and seed is made of the tensor's name,
letter by letter: seed = mix(seed ^ (code + 1) * 0x9e3779b1), from 0. What a tensor is made of these numbers u is in `weight`.
"""

import hashlib
import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import timm
import torch
import torchvision

TARGET = Path(__file__).parent.parent / "test" / "goldens" / "encoders.json"
GOLDEN = np.uint32(0x9E3779B1)
SAMPLES = 40
"""Numbers kept of every tensor."""


def mix(h: np.ndarray) -> np.ndarray:
    h = h.astype(np.uint32)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def noise(name: str, shape: tuple) -> np.ndarray:
    seed = np.zeros(1, np.uint32)
    for letter in name:
        seed = mix(seed ^ (np.array([ord(letter) + 1], np.uint32) * GOLDEN))
    count = int(np.prod(shape))
    fraction = mix(seed + np.arange(count, dtype=np.uint32) * GOLDEN) / 2.0**32
    return (2 * fraction - 1).reshape(shape)


def weight(name: str, shape: tuple, keras_layout: bool) -> np.ndarray:
    u = noise(name, shape)
    if len(shape) == 4:
        fan_in = np.prod(shape[:-1] if keras_layout else shape[1:])
        return u * np.sqrt(6 / fan_in)
    end = name.replace("/", ".").split(".")[-1]
    if end in ("running_var", "moving_variance"):
        return 1 + 0.5 * u
    return 1 + 0.2 * u if end in ("weight", "gamma") else 0.1 * u


def digest(shapes: dict) -> str:
    lines = sorted(f"{name} {','.join(map(str, shape))}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def some(values: np.ndarray) -> dict:
    """Numbers at equal distances, and the root of the mean square of all."""
    every = max(1, values.size // SAMPLES)
    flat = values.astype(np.float64).reshape(-1)
    return {
        "shape": list(values.shape),
        "every": every,
        "rms": float(np.sqrt(np.mean(flat**2))),
        "values": [float(f"{value:.7g}") for value in flat[::every]],
    }


UNUSED = ("num_batches_tracked",)
HEADS = ("classifier.", "fc.", "AuxLogits.", "head.", "pre_logits.")


def torch_case(model: torch.nn.Module, features, size: tuple, heads=HEADS, gradients=()) -> dict:
    """features: from the model and pixels to a feature map [batch, channels, rows, columns]."""
    model = model.eval()
    state = {k: v for k, v in model.state_dict().items() if not k.endswith(UNUSED) and not k.startswith(heads)}
    shapes = {k: tuple(v.shape) for k, v in state.items()}
    case = {"keys": len(shapes), "digest": digest(shapes)}
    if size is None:
        return case
    # In double precision, so that differences are ours.
    model = model.double()
    values = {k: torch.from_numpy(weight(k, s, False)) for k, s in shapes.items()}
    model.load_state_dict(values, strict=False)
    pixels = torch.from_numpy(noise("pixels", (1, *size, 3))).permute(0, 3, 1, 2)
    y = features(model, pixels).permute(0, 2, 3, 1)
    case |= {"size": list(size), "features": some(y.detach().numpy())}
    if gradients:
        loss = (y * torch.from_numpy(noise("gradient", tuple(y.shape)))).sum()
        wanted = torch.autograd.grad(loss, [model.get_parameter(name) for name in gradients])
        case["gradients"] = {name: some(g.numpy()) for name, g in zip(gradients, wanted)}
    return case


def convolution_case(inputs: int, outputs: int, kernel: tuple, **options) -> dict:
    """A convolution with its gradients for a loss that weighs the output by noise."""
    x = torch.from_numpy(noise("x", (2, 7, 9, inputs))).permute(0, 3, 1, 2).requires_grad_()
    w = torch.from_numpy(noise("w", (outputs, inputs // options.get("groups", 1), *kernel))).requires_grad_()
    y = torch.nn.functional.conv2d(x, w, torch.from_numpy(noise("b", (outputs,))), **options).permute(0, 2, 3, 1)
    (y * torch.from_numpy(noise("gradient", tuple(y.shape)))).sum().backward()
    found = {"y": y.detach(), "x": x.grad.permute(0, 2, 3, 1), "w": w.grad.permute(2, 3, 1, 0)}
    return {
        "shape": list(w.permute(2, 3, 1, 0).shape),
        "options": options,
        **{name: some(tensor.contiguous().numpy()) for name, tensor in found.items()},
    }


def keras_case(model, size: tuple) -> dict:
    shapes = {}
    for layer in model.layers:
        for variable in layer.weights:
            shapes[f"{layer.name}/{variable.name}"] = tuple(variable.shape)
            variable.assign(weight(f"{layer.name}/{variable.name}", tuple(variable.shape), True))
    pixels = noise("pixels", (1, *size, 3)).astype(np.float32)
    y = keras.ops.convert_to_numpy(model(pixels, training=False))
    return {"keys": len(shapes), "digest": digest(shapes), "size": list(size), "features": some(y)}


def main() -> None:
    tv = torchvision.models
    whole = lambda model, x: model.features(x)
    timm_features = lambda model, x: model.forward_features(x)
    make_tv = lambda name, **options: getattr(tv, name)(weights=None, **options)
    make_timm = lambda name: timm.create_model(name, pretrained=False)

    def resnet_features(model, x):
        x = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        return model.layer4(model.layer3(model.layer2(model.layer1(x))))

    def inception_features(model, x):
        names = [name for name, _ in model.named_children() if name not in ("AuxLogits", "avgpool", "dropout", "fc")]
        for name in names:
            x = getattr(model, name)(x)
        return x

    cases = {
        "vgg11_bn": torch_case(make_tv("vgg11_bn"), whole, (32, 64)),
        "vgg13": torch_case(make_tv("vgg13"), whole, None),
        "vgg16": torch_case(make_tv("vgg16"), whole, None),
        "vgg16 stage 4": torch_case(make_tv("vgg16"), lambda model, x: model.features[:-1](x), (32, 48)),
        "vgg19": torch_case(make_tv("vgg19"), whole, None),
        "inception_v3": torch_case(
            make_tv("inception_v3", transform_input=False, init_weights=False), inception_features, (75, 91)
        ),
        "mobilenet_v2": torch_case(make_tv("mobilenet_v2"), whole, (64, 32)),
        "mobilenet_v3_large": torch_case(make_tv("mobilenet_v3_large"), whole, (64, 32)),
        "mobilenet_v3_small": torch_case(
            make_tv("mobilenet_v3_small"),
            whole,
            (64, 48),
            gradients=("features.0.0.weight", "features.4.block.2.fc1.weight", "features.12.1.weight"),
        ),
        "efficientnet_b0": torch_case(
            make_tv("efficientnet_b0"),
            whole,
            (64, 50),
            gradients=("features.0.0.weight", "features.4.1.block.2.fc2.bias", "features.8.1.weight"),
        ),
        **{f"efficientnet_b{n}": torch_case(make_tv(f"efficientnet_b{n}"), whole, None) for n in (1, 2, 3)},
        "efficientnet_b4": torch_case(make_tv("efficientnet_b4"), whole, None),
        "timm mobilenetv3_large_100": torch_case(make_timm("mobilenetv3_large_100"), timm_features, None, (*HEADS, "conv_head.")),
        "timm mobilenetv3_small_100": torch_case(
            make_timm("mobilenetv3_small_100"), timm_features, (64, 32), (*HEADS, "conv_head.")
        ),
        "timm efficientnet_b1": torch_case(make_timm("efficientnet_b1"), timm_features, (64, 32)),
        "timm tf_efficientnet_b2": torch_case(make_timm("tf_efficientnet_b2"), timm_features, (64, 40)),
        "timm tf_efficientnet_lite0": torch_case(make_timm("tf_efficientnet_lite0"), timm_features, (64, 40)),
        **{f"timm efficientnet_lite{n}": torch_case(make_timm(f"tf_efficientnet_lite{n}"), timm_features, None) for n in (1, 2, 3, 4)},
        "resnet50 dilated": torch_case(
            make_tv("resnet50", replace_stride_with_dilation=[False, True, True]),
            resnet_features,
            (32, 48),
        ),
        "resnext50_32x4d": torch_case(make_tv("resnext50_32x4d"), resnet_features, None),
        **{name: torch_case(make_tv(name), resnet_features, None) for name in ("resnet18", "resnet34", "resnet101", "resnet152")},
        "wide_resnet50_2": torch_case(make_tv("wide_resnet50_2"), resnet_features, None),
        "timm resnet18d": torch_case(make_timm("resnet18d"), timm_features, (46, 70)),
        "timm resnet50d": torch_case(make_timm("resnet50d"), timm_features, None),
        "keras VGG16": keras_case(
            keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 48, 3)), (32, 48)
        ),
        "keras InceptionV3": keras_case(
            keras.applications.InceptionV3(weights=None, include_top=False, input_shape=(75, 91, 3)), (75, 91)
        ),
    }
    convolutions = [
        convolution_case(4, 6, (3, 3), stride=2, padding=1),
        convolution_case(4, 6, (1, 5), padding=(0, 2)),
        convolution_case(4, 6, (3, 3), padding=2, dilation=2),
        convolution_case(4, 6, (3, 3), stride=2, padding=(1, 2), dilation=2),
        convolution_case(4, 6, (3, 3), padding=1, groups=2),
        convolution_case(6, 6, (5, 5), stride=2, padding=2, groups=6),
    ]
    versions = {module.__name__: module.__version__ for module in (torch, torchvision, timm, keras)}
    TARGET.write_text(json.dumps({"versions": versions, "cases": cases, "convolutions": convolutions}) + "\n")


main()
