"""Captioners of transformers, from pixels to captions."""

from pathlib import Path

import torch
from files import read_input, read_plan


def load(architecture, folder):
    # Only here, so that the other jobs do without transformers.
    from transformers import BlipForConditionalGeneration, VisionEncoderDecoderModel

    return {"ved-vit-gpt2": VisionEncoderDecoderModel, "blip": BlipForConditionalGeneration}[
        architecture
    ].from_pretrained(folder)


def captions(folder):
    plan = read_plan(folder)
    words, beams, start = plan["words"], plan["beamSize"], plan["startId"]
    model = load(plan["architecture"], Path(plan["model"])).eval()
    pixels = read_input(folder).permute(0, 3, 1, 2).contiguous()
    speaker = model.text_decoder if plan["architecture"] == "blip" else model
    for each in (speaker.generation_config, speaker.config):
        each.eos_token_id = None  # no token ends a caption
    settings = {
        "max_new_tokens": words,
        "num_beams": beams,
        "do_sample": False,
        "pad_token_id": 0,
        "return_dict_in_generate": True,
        "output_scores": True,
    }

    @torch.inference_mode()
    def generate():
        if plan["architecture"] == "ved-vit-gpt2":
            return model.generate(pixels, decoder_start_token_id=start, **settings)
        # What BlipForConditionalGeneration.generate does, without the token that ends its captions.
        seen = model.vision_model(pixels)[0]
        return speaker.generate(
            torch.full((len(pixels), 1), start),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long),
            **settings,
        )

    def check():
        found = generate()
        if beams > 1:
            sums = found.sequences_scores * words
        else:
            sums = speaker.compute_transition_scores(found.sequences, found.scores, normalize_logits=True).sum(1)
        return {"numbers": {"logProbs": sums.tolist()}, "captions": found.sequences[:, 1:].tolist()}

    return check, generate
