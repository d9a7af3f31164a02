"""MobileNetV2 and ResNet50 without their classifiers, batch norm folded into the convolutions, channels last.

Where a stride of 2 halves an even side, PyTorch pads more at its start and TensorFlow at its end. Pictures and kernels
enter mirrored here, and features leave mirrored: so both compute the same and neither has to pad by hand.
"""

import torch
import torch.nn.functional as F
from files import read_input, read_plan, read_weights
from torch import nn

SAMPLES = 64

# expansion, repeats, first stride of every stage
MOBILENET = [(1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)]
# repeats, first stride of every stage
RESNET = [(3, 1), (4, 2), (6, 2), (3, 2)]


class Encoder(nn.Module):
    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            if tensor.dim() == 4:
                # [height, width, in, out] -> [out, in, height, width]; depthwise -> [channels, 1, height, width]
                axes = (2, 3, 0, 1) if name.endswith("depthwise.weight") else (3, 2, 0, 1)
                tensor = tensor.permute(axes).flip(2, 3).contiguous(memory_format=torch.channels_last)
            self.register_parameter(name.replace(".", "_"), nn.Parameter(tensor))

    def conv(self, name, x, stride=1, padding=0, groups=1):
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)


class MobileNetV2(Encoder):
    def forward(self, x):
        x = F.relu6(self.conv("stem", x, 2, 1), inplace=True)
        index = 0
        for expansion, repeats, stride in MOBILENET:
            for repeat in range(repeats):
                block = f"blocks_{index}"
                wide = F.relu6(self.conv(f"{block}_expand", x), inplace=True) if expansion > 1 else x
                step = stride if repeat == 0 else 1
                wide = F.relu6(self.conv(f"{block}_depthwise", wide, step, 1, wide.shape[1]), inplace=True)
                narrow = self.conv(f"{block}_project", wide)
                x = x + narrow if repeat > 0 else narrow
                index += 1
        return F.relu6(self.conv("head", x), inplace=True)


def every_other(x):
    """Pixels 0, 2, 4, ... of the picture before it was mirrored, which a convolution of stride 2 would not take."""
    return x[:, :, 1::2, 1::2].contiguous(memory_format=torch.channels_last)


class ResNet50(Encoder):
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv("stem", x, 2, 3), inplace=True), 3, 2, 1)
        index = 0
        for repeats, stride in RESNET:
            for repeat in range(repeats):
                block = f"blocks_{index}"
                step = stride if repeat == 0 else 1
                narrow = F.relu(self.conv(f"{block}_reduce", x), inplace=True)
                narrow = F.relu(self.conv(f"{block}_spatial", narrow, step, 1), inplace=True)
                around = self.conv(f"{block}_shortcut", every_other(x) if step == 2 else x) if repeat == 0 else x
                x = F.relu(self.conv(f"{block}_expand", narrow).add_(around), inplace=True)
                index += 1
        return x


def encoder(folder):
    plan = read_plan(folder)
    model = {"mobilenetv2": MobileNetV2, "resnet50": ResNet50}[plan["network"]](read_weights(folder))
    pixels = read_input(folder).permute(0, 3, 1, 2).flip(2, 3).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def forward():
        return model(pixels)

    def gradient_norm():
        model.zero_grad(set_to_none=True)
        model(pixels).square().mean().backward()
        return nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()]).item()

    def check():
        features = forward().flip(2, 3).permute(0, 2, 3, 1).reshape(-1)
        numbers = {"features": features[:: len(features) // SAMPLES][:SAMPLES].tolist()}
        if plan["backward"]:
            numbers["gradientNorm"] = [gradient_norm()]
        return {"numbers": numbers}

    return check, gradient_norm if plan["backward"] else forward
