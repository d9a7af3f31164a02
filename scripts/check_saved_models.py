#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "transformers>=4.57", "safetensors", "numpy"]
# ///
"""Loads what scripts/save-models.ts wrote with transformers, and compares its outputs with those of the golden cases.

    npx tsx scripts/save-models.ts /tmp/saved
    python scripts/check_saved_models.py /tmp/saved

Fails where transformers misses a tensor, finds one too many or of another shape, or where outputs differ.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

TEXT = ["input_ids", "attention_mask", "token_type_ids"]

# By case: the arguments of `forward` by the names of the inputs, of which some cases lack one, and the output by the name in the case.
CASES = {
    "vit": (["pixel_values"], "last_hidden_state"),
    "vit_cls": (["pixel_values"], "logits"),
    "ved_vit_bert": (["pixel_values", "decoder_input_ids", "decoder_attention_mask"], "explicit.logits"),
    "ved_vit_gpt2": (["pixel_values", "decoder_input_ids", "decoder_attention_mask"], "explicit.logits"),
    "blip_caption": (["pixel_values", "input_ids", "attention_mask"], "logits"),
    "blip_itm": (["pixel_values", "input_ids", "attention_mask"], "itm_score"),
    "git": (["pixel_values", "input_ids", "attention_mask"], "logits"),
    "blip2_opt": (["pixel_values", "input_ids", "attention_mask"], "logits"),
    "clip": (["pixel_values", "input_ids", "attention_mask"], "logits_per_image"),
    "siglip": (["pixel_values", "input_ids"], "logits_per_image"),
    "bert_mlm": (TEXT, "logits"),
    "visual_bert": (
        [*TEXT, "visual_embeds", "visual_attention_mask", "visual_token_type_ids", "image_text_alignment"],
        "prediction_logits",
    ),
    "lxmert": ([*TEXT, "visual_feats", "visual_pos", "visual_attention_mask"], "prediction_logits"),
}

# Numbers of places, which some versions count among the parameters.
NOT_SAVED = ("position_ids",)


def check(folder):
    golden = load_file(Path((folder / "golden.txt").read_text()) / "golden.safetensors")
    inputs, output = CASES[folder.name.split("-", 1)[1]]
    architecture = getattr(transformers, json.loads((folder / "config.json").read_text())["architectures"][0])
    model, info = architecture.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    problems = [
        f"{kind}: {names}"
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if (names := [name for name in info.get(kind, []) if not str(name).endswith(NOT_SAVED)])
    ]
    model.eval()
    with torch.no_grad():
        given = {name: golden[f"in.{name}"] for name in inputs if f"in.{name}" in golden}
        found = model(**{name: x.long() if x.dtype == torch.int32 else x for name, x in given.items()})
    expected = golden[f"out.{output}"]
    value = getattr(found, output.split(".")[-1])
    if value.dim() == 3:
        value = value[:, -expected.shape[1] :]  # some cases keep the words alone, not the picture before them
    difference = (value - expected).abs().max().item()
    if not torch.allclose(value, expected, atol=2e-4, rtol=1e-4):
        problems.append(f"{output} differs by {difference:.2g}")
    verdict = "FAIL" if problems else "ok  "
    print(f"{verdict} {folder.name}: largest difference of {output} {difference:.1e}", *problems, sep="\n     ")
    return not problems


folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/golden.txt"))
print(f"transformers {transformers.__version__}, {len(folders)} models")
sys.exit(0 if folders and all([check(folder) for folder in folders]) else 1)
