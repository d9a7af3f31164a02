# /// script
# dependencies = ["torch", "torchvision", "pillow", "numpy"]
# ///
"""Writes test/goldens/augment.json: what torchvision's and PIL's transforms do to a small picture.

usage: python scripts/make_augment_goldens.py
"""
import base64, json, math, pathlib
import numpy as np, PIL, torch, torchvision
from PIL import Image, ImageOps
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode as Mode, RandAugment

generator = np.random.default_rng(7)
height, width = 18, 26
rows, columns = np.mgrid[0:height, 0:width]
smooth = np.stack([255 * columns / width, 255 * rows / height, 128 + 100 * np.sin(rows / 3 + columns / 5)], -1)
pixels = np.clip(smooth + generator.normal(0, 25, smooth.shape), 0, 255).astype(np.uint8)
pixels[2:5, 3:9] = [200, 30, 30]
pixels[6:8, 12:20] = 90
picture = Image.fromarray(pixels)

def shear(image, x, y):
    degrees = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(image, 0.0, [0, 0], 1.0, degrees, interpolation=Mode.NEAREST, fill=[9, 8, 7], center=[0, 0])

cases = {
    "flip": F.hflip(picture),
    "grayscale": F.rgb_to_grayscale(picture, 3),
    "crop": F.crop(picture, 3, 5, 10, 12),
    "resizedCrop": F.resized_crop(picture, 3, 5, 10, 12, [14, 9], Mode.BILINEAR),
    "erase": F.to_pil_image(F.erase(F.pil_to_tensor(picture), 4, 6, 5, 7, torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None])),
    "autoContrast": F.autocontrast(picture.point(lambda v: v // 2 + 20)),
    "equalize": F.equalize(picture),
    "translate": F.affine(picture, 0.0, [5, -3], 1.0, [0.0, 0.0], interpolation=Mode.NEAREST, fill=[9, 8, 7]),
    "shearX": shear(picture, 0.21, 0),
    "shearY": shear(picture, 0, -0.17),
}
for name, adjust, factors in [
    ("brightness", F.adjust_brightness, [0, 0.3, 0.77, 1.6]),
    ("contrast", F.adjust_contrast, [0, 0.3, 0.77, 1.6]),
    ("saturation", F.adjust_saturation, [0, 0.3, 0.77, 1.6]),
    ("hue", F.adjust_hue, [-0.5, -0.21, 0.04, 0.33]),
    ("sharpness", F.adjust_sharpness, [0, 0.4, 1.9]),
    ("posterize", F.posterize, [1, 4, 7]),
    ("solarize", F.solarize, [0, 100, 255]),
]:
    for factor in factors:
        cases[f"{name} {factor}"] = adjust(picture, factor)
for degrees in [-33.5, 7, 90, 180]:
    cases[f"rotate bilinear {degrees}"] = F.rotate(picture, degrees, Mode.BILINEAR, fill=[9, 8, 7])
    cases[f"rotate nearest {degrees}"] = F.rotate(picture, degrees, Mode.NEAREST, fill=[9, 8, 7])
for size, sigma in [(3, 0.4), (9, 1.7)]:
    cases[f"blur {size} {sigma}"] = F.gaussian_blur(picture, [size, size], [sigma, sigma])

def packed(image):
    values = np.asarray(image)
    return {"width": image.width, "height": image.height, "data": base64.b64encode(values.tobytes()).decode()}

space = {
    name: {"strengths": [float(v) for v in (values if values.ndim else values.repeat(31))], "signed": signed}
    for name, (values, signed) in RandAugment()._augmentation_space(31, (height, width)).items()
}
golden = {
    "made": f"scripts/make_augment_goldens.py, torchvision {torchvision.__version__}, PIL {PIL.__version__}",
    "picture": packed(picture),
    "cases": {name: packed(image) for name, image in cases.items()},
    "randAugment": space,
}
path = pathlib.Path(__file__).parent.parent / "test/goldens/augment.json"
path.write_text(json.dumps(golden) + "\n")
