#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.6", "numpy", "transformers>=4.50,<4.58"]
# ///
"""Base sizes of captioners with random weights, as transformers saves them.

    python bench/pytorch/write_pretrained.py FOLDER ved-vit-gpt2|blip LAYERS
"""

import sys

import torch
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    GPT2Config,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)

# Makes words of random weights about as certain as those of a trained model, so that no two captions are as good as equal.
CERTAINTY = 10


def vit_gpt2(layers):
    """The sizes of nlpconnect/vit-gpt2-image-captioning."""
    encoder = ViTConfig(num_hidden_layers=layers)
    decoder = GPT2Config(n_layer=layers, add_cross_attention=True, is_decoder=True)
    model = VisionEncoderDecoderModel(VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder))
    model.config.decoder_start_token_id = decoder.bos_token_id
    model.config.pad_token_id = decoder.eos_token_id
    return model, model.decoder.transformer.ln_f


def blip(layers):
    """The sizes of Salesforce/blip-image-captioning-base."""
    text = {"num_hidden_layers": layers, "num_attention_heads": 12}
    vision = {"num_hidden_layers": layers, "image_size": 384, "initializer_range": 0.02}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))
    return model, model.text_decoder.cls.predictions.transform.LayerNorm


def main():
    folder, architecture, layers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.manual_seed(7)
    model, last_norm = {"ved-vit-gpt2": vit_gpt2, "blip": blip}[architecture](layers)
    with torch.no_grad():
        last_norm.weight.mul_(CERTAINTY)
    model.save_pretrained(folder)


main()
