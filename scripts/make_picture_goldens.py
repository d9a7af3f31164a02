# /// script
# requires-python = ">=3.9"
# dependencies = ["pillow>=13", "numpy"]
# ///
"""Makes test/goldens/pictures/*: what Pillow decodes and how it resizes.

    python scripts/make_picture_goldens.py ../shared/goldens/models/preprocess

The argument is the folder with the picture files; those that are used are copied beside the expected pixels.
"""

import base64
import hashlib
import json
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

SOURCES = Path(sys.argv[1])
TARGET = Path(__file__).parent.parent / "test" / "goldens" / "pictures"


def pattern(width: int, height: int) -> np.ndarray:
    """A picture that both sides can write down: smooth in red, noise in green, edges in blue."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    red = (255 * (x + y)) // max(width + height - 2, 1)
    green = (x * 31 + y * 57 + x * y * 7) % 256
    blue = 255 * ((x // 3 + y // 2) % 2)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def resize_case(width: int, height: int, to_width: int, to_height: int) -> dict:
    resized = np.asarray(Image.fromarray(pattern(width, height)).resize((to_width, to_height), Image.BILINEAR))
    case = {"from": [width, height], "to": [to_width, to_height], "sha256": hashlib.sha256(resized.tobytes()).hexdigest()}
    # Small results are there in full, so that a difference can be looked at.
    return {**case, "pixels": resized.flatten().tolist()} if resized.size <= 300 else case


def decoded(name: str) -> dict:
    shutil.copyfile(SOURCES / name, TARGET / name)
    image = ImageOps.exif_transpose(Image.open(SOURCES / name))
    if image.mode in ("RGBA", "LA"):
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    rgb = image.convert("RGB")
    packed = base64.b64encode(zlib.compress(rgb.tobytes(), 9)).decode()
    return {"file": name, "width": rgb.width, "height": rgb.height, "deflated": packed}


def write(name: str, golden: dict) -> None:
    golden = {"made by": f"Pillow {PIL.__version__}, scripts/make_picture_goldens.py", **golden}
    (TARGET / name).write_text(json.dumps(golden, indent=1) + "\n")


TARGET.mkdir(parents=True, exist_ok=True)
sizes = [
    (9, 7, 4, 3),  # both smaller, not by whole numbers
    (5, 4, 11, 9),  # both larger
    (12, 5, 4, 20),  # smaller one way, larger the other
    (6, 5, 6, 2),  # one axis kept
    (6, 5, 2, 5),
    (7, 5, 1, 1),
    (1, 1, 4, 3),
    (451, 300, 224, 224),  # a photograph's sizes
    (512, 512, 224, 224),
    (100, 75, 224, 224),
    (224, 224, 224, 224),
    (512, 800, 224, 224),  # rows come first from a height of 801 on
    (512, 801, 224, 224),
    (9, 30, 12, 8),
]
write("resize.json", {"cases": [resize_case(*size) for size in sizes]})
files = ["photo.jpg", "exif.jpg", "gray.jpg", "gray.png", "pal.png", "rgba.png"]
write("decode.json", {"pictures": [decoded(name) for name in files]})
