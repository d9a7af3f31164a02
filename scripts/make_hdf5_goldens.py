"""
Makes test/goldens/hdf5: files that h5py writes and that hold what weights of Keras do not.

  pip install h5py numpy
  python scripts/make_hdf5_goldens.py
"""

from pathlib import Path

import h5py
import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "test" / "goldens" / "hdf5"
FOLDER.mkdir(parents=True, exist_ok=True)


def make(name, fill):
    with h5py.File(FOLDER / f"{name}.h5", "w") as file:
        fill(file.create_group("layer"))


def loop(group):
    group["again"] = group
    group["more"] = group


def types(group):
    for name in ["float16", "float64", "int8", "int16", "int32", "int64", "uint8"]:
        group.create_dataset(name, data=np.array([[1, 2, 3], [4, 5, 6]], dtype=name))
    group.create_dataset("scalar", data=np.float32(2.5))
    group.create_dataset("empty", data=np.zeros((0, 3), "float32"))


make("claims", lambda group: group.create_dataset("kernel", shape=(1_000_000, 1_000_000), dtype="float32"))
make("compressed", lambda group: group.create_dataset("kernel", data=np.zeros((300, 300), "float32"), compression="gzip"))
make("big_endian", lambda group: group.create_dataset("kernel", data=np.arange(3, dtype=">f4")))
make("text", lambda group: group.create_dataset("kernel", data="hello"))
make("loop", loop)
make("outside", lambda group: group.__setitem__("kernel", h5py.ExternalLink("/etc/passwd", "/x")))
make("nowhere", lambda group: group.__setitem__("kernel", h5py.SoftLink("/none")))
make("types", types)
