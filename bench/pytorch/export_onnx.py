#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.6", "transformers<4.58", "optimum-onnx[onnxruntime]"]
# ///
"""A VisionEncoderDecoder as @huggingface/transformers reads it: encoder, and decoder with and without its cache.

    python bench/pytorch/export_onnx.py MODEL FOLDER
"""

import sys

from optimum.exporters.onnx import main_export

main_export(sys.argv[1], sys.argv[2], task="image-to-text-with-past", opset=18, do_validation=False)
