# /// script
# requires-python = ">=3.10"
# dependencies = ["torch>=2.4", "transformers>=5.23", "safetensors", "numpy"]
# ///
"""Makes test/goldens/variants/*: small models of transformers with settings that the other cases do not have.

    python scripts/make_variant_goldens.py

The cases are folders of the same form as those in test/goldens/models, whose tokenizers they use.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    CLIPConfig,
    CLIPModel,
    GitConfig,
    GitForCausalLM,
    LxmertConfig,
    LxmertForQuestionAnswering,
    ResNetConfig,
    ResNetForImageClassification,
    VisualBertConfig,
    VisualBertForMultipleChoice,
    VisualBertForQuestionAnswering,
    VisualBertForVisualReasoning,
)

GOLDENS = Path(__file__).parent.parent / "test" / "goldens"
cross_entropy = torch.nn.functional.cross_entropy


def write(name: str, model, tensors: dict, results: dict, like: str | None = None) -> None:
    """The case `name`, with the tokenizer of the case `like`."""
    folder = GOLDENS / "variants" / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    if like:
        for file in (GOLDENS / "models" / like).iterdir():
            if file.name.startswith(("token", "vocab", "merges", "special")):
                shutil.copy(file, folder)
    stored = {k: v if v.is_floating_point() else v.to(torch.int32) for k, v in tensors.items()}
    save_file({k: v.detach().contiguous() for k, v in stored.items()}, folder / "golden.safetensors")
    described = {k: {"shape": list(v.shape), "atol": 2e-4, "rtol": 2e-4} for k, v in tensors.items()}
    (folder / "golden.json").write_text(json.dumps({"tensors": described, "results": results}) + "\n")


def randomise(model):
    """Weights at which every layer, norm and bias matters."""
    with torch.no_grad():
        for name, values in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            if values.dim() >= 2:
                fan_in = values[0].numel()
                values.copy_(torch.randn_like(values) * (0.5 if "emb" in name else fan_in**-0.5))
            elif name.endswith("running_var"):
                values.copy_(torch.rand_like(values) + 0.5)
            elif name.endswith(("bias", "running_mean")):
                values.copy_(torch.randn_like(values) * 0.1)
    return model.eval()


def generate(model, inputs: dict, prompt_length: int, configs: list[dict]) -> tuple[list, torch.Tensor]:
    """What comes of every configuration, and the logits of the first steps of the first, which is greedy."""
    entries, logits = [], None
    for config in configs:
        out = model.generate(**inputs, **config, do_sample=False, return_dict_in_generate=True, output_scores=True, output_logits=True)
        entry = {"config": config, "sequences": out.sequences.tolist()}
        if config.get("num_beams", 1) > 1:
            entry["sequences_scores"] = out.sequences_scores.tolist()
            entry["beam_indices"] = out.beam_indices[:, : out.sequences.shape[1] - prompt_length].tolist()
        entries.append(entry)
        logits = torch.stack(out.logits, 1)[:, :4] if logits is None else logits
    return entries, logits


def git_of_frames(frames: int = 3) -> None:
    vision = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 24, "patch_size": 8}
    tokens = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    config = GitConfig(
        vision_config=vision, vocab_size=560, hidden_size=24, num_hidden_layers=3, num_attention_heads=6, intermediate_size=36,
        max_position_embeddings=20, num_image_with_embedding=frames, tie_word_embeddings=True, hidden_act="gelu_new", **tokens,
    )  # fmt: skip
    model = randomise(GitForCausalLM(config))
    model.generation_config.update(**tokens)
    pixels = torch.randn(2, frames, 3, 24, 24)
    ids = torch.randint(5, 500, (2, 7))
    ids[:, 0] = 2
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    prompts = torch.tensor([[2, 7, 9], [2, 55, 12]])
    with torch.no_grad():
        out = model(pixel_values=pixels, input_ids=ids, attention_mask=mask, output_hidden_states=True)
        seen = out.logits.shape[1] - ids.shape[1]
        see = model.git.image_encoder
        visual = [see(pixels[:, i]).last_hidden_state + model.git.img_temporal_embedding[i] for i in range(frames)]
        settings = [{"max_new_tokens": 6}, {"max_new_tokens": 6, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.7}]
        bare, bare_logits = generate(model, {"pixel_values": pixels, "input_ids": ids[:, :1]}, 1, settings)
        led, led_logits = generate(model, {"pixel_values": pixels, "input_ids": prompts}, 3, settings)
        logits = out.logits[:, seen:]
        tensors = {
            "in.pixel_values": pixels,
            "in.input_ids": ids,
            "in.attention_mask": mask,
            "in.labels": labels,
            "in.prompt_input_ids": prompts,
            "out.logits": logits,
            "out.image_position_hidden": out.hidden_states[-1][:1, :seen],
            "out.hidden_states.1": out.hidden_states[1][:1],
            "out.loss": cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())[None],
            "out.logits_no_image": model(input_ids=ids, attention_mask=mask).logits,
            "out.visual_tokens": torch.cat(visual, 1),
            "out.generate.greedy_step_logits": bare_logits,
            "out.generate_prompt.greedy_step_logits": led_logits,
        }
    write("git_frames", model, tensors, {"num_image_tokens": seen, "generate": bare, "generate_prompt": led}, "git")


def blip2_post_norm() -> None:
    text = {
        "model_type": "opt", "vocab_size": 501, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 40,
        "max_position_embeddings": 30, "word_embed_proj_dim": 24, "do_layer_norm_before": False, "tie_word_embeddings": False,
        "activation_function": "gelu",
    }  # fmt: skip
    tokens = {"bos_token_id": 497, "eos_token_id": 496, "pad_token_id": 499}
    config = Blip2Config(
        vision_config={"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 24, "patch_size": 8, "qkv_bias": False},
        qformer_config={"hidden_size": 20, "intermediate_size": 36, "num_hidden_layers": 4, "num_attention_heads": 5, "encoder_hidden_size": 32, "cross_attention_frequency": 3, "vocab_size": 501, "hidden_act": "relu"},
        text_config=text | tokens, num_query_tokens=4, image_token_index=498,
    )  # fmt: skip
    model = randomise(Blip2ForConditionalGeneration(config))
    model.generation_config.update(**tokens)
    pixels = torch.randn(2, 3, 24, 24)
    ids = torch.randint(5, 480, (2, 10))
    ids[:, :4], ids[:, 4] = 498, 497
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    ids[1, 8:] = 499
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :4] = -100
    with torch.no_grad():
        out = model(pixel_values=pixels, input_ids=ids, attention_mask=mask, labels=labels)
        seen = model.vision_model(pixels).last_hidden_state
        asked = model.qformer(query_embeds=model.query_tokens.expand(2, -1, -1), encoder_hidden_states=seen).last_hidden_state
        inputs = {"pixel_values": pixels, "input_ids": ids[:, :5], "attention_mask": mask[:, :5]}
        settings = [{"max_new_tokens": 6}, {"max_new_tokens": 6, "num_beams": 3, "num_return_sequences": 2, "no_repeat_ngram_size": 2}]
        entries, logits = generate(model, inputs, 5, settings)
        tensors = {
            "in.pixel_values": pixels,
            "in.input_ids": ids,
            "in.attention_mask": mask,
            "in.labels": labels,
            "out.logits": out.logits[:, 3:],
            "out.loss": out.loss[None],
            "out.vision.last_hidden_state": seen,
            "out.qformer.last_hidden_state": asked,
            "out.language_projection": model.language_projection(asked),
            "out.generate.greedy_step_logits": logits,
        }
    write("blip2_post_norm", model, tensors, {"generate": entries}, "blip2_opt")


def clip_end_token() -> None:
    config = CLIPConfig(
        projection_dim=20,
        text_config={"vocab_size": 594, "hidden_size": 20, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 5, "max_position_embeddings": 24, "bos_token_id": 592, "eos_token_id": 593, "pad_token_id": 593, "hidden_act": "gelu"},
        vision_config={"hidden_size": 36, "intermediate_size": 60, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 40, "patch_size": 8, "hidden_act": "gelu"},
    )  # fmt: skip
    model = randomise(CLIPModel(config))
    case = GOLDENS / "models" / "clip"
    inputs = load_file(case / "golden.safetensors")
    ids, mask, pixels = inputs["in.input_ids"].long(), inputs["in.attention_mask"].long(), torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, pixel_values=pixels)
        towers = {
            "vision": model.vision_model(pixels, output_hidden_states=True),
            "text": model.text_model(input_ids=ids, attention_mask=mask, output_hidden_states=True),
        }
        pairs = out.logits_per_text[:2, :2]
        loss = (cross_entropy(pairs, torch.arange(2)) + cross_entropy(pairs.T, torch.arange(2))) / 2
        tensors = {"in.input_ids": ids, "in.attention_mask": mask, "in.pixel_values": pixels}
        for name in ("text_embeds", "image_embeds", "logits_per_image", "logits_per_text"):
            tensors[f"out.{name}"] = getattr(out, name)
        for name, tower in towers.items():
            tensors[f"out.{name}.last_hidden_state"] = tower.last_hidden_state
            tensors[f"out.{name}.pooler_output"] = tower.pooler_output
            for layer, state in enumerate(tower.hidden_states):
                tensors[f"out.{name}.hidden_states.{layer}"] = state.clone()
        tensors["out.get_text_features"] = model.text_projection(towers["text"].pooler_output)
        tensors["out.get_image_features"] = model.visual_projection(towers["vision"].pooler_output)
        tensors["out.contrastive_loss_first2"] = loss[None]
    write("clip_end_token", model, tensors, {"texts": json.loads((case / "golden.json").read_text())["results"]["texts"]}, "clip")


def resnet_strides() -> None:
    config = ResNetConfig(
        num_labels=6, embedding_size=10, hidden_sizes=[16, 24, 32], depths=[1, 2, 1], layer_type="bottleneck",
        downsample_in_first_stage=True, downsample_in_bottleneck=True, hidden_act="gelu",
    )  # fmt: skip
    model = randomise(ResNetForImageClassification(config))
    pixels = torch.randn(2, 3, 50, 38)
    with torch.no_grad():
        out, bare = model(pixels, output_hidden_states=True), model.resnet(pixels)
        tensors = {
            "in.pixel_values": pixels,
            "out.feature_map": bare.last_hidden_state,
            "out.pooled": bare.pooler_output,
            "out.logits": out.logits,
            **{f"out.hidden_states.{stage}": state for stage, state in enumerate(out.hidden_states)},
        }
    write("resnet_strides", model, tensors, {})


TEXT = {
    "vocab_size": 40, "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 14, "max_position_embeddings": 9,
    "type_vocab_size": 2,
}  # fmt: skip


def texts_and_regions(regions: int) -> tuple[dict, dict]:
    ids = torch.randint(3, 40, (2, 8))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    seen = torch.ones(2, regions).long()
    seen[0, regions - 1] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": (ids > 20).long()}, {"visual_attention_mask": seen}


def visual_bert_head(name: str, architecture, **settings) -> None:
    config = VisualBertConfig(**TEXT, num_hidden_layers=2, visual_embedding_dim=5, hidden_act="gelu_new", **settings)
    model = randomise(architecture(config))
    texts, seen = texts_and_regions(3)
    inputs = texts | seen | {"visual_embeds": torch.randn(2, 3, 5), "visual_token_type_ids": torch.ones(2, 3).long()}
    with torch.no_grad():
        choices = architecture is VisualBertForMultipleChoice  # which reads [rows, choices, ..]; here the rows are choices
        out = model(**{key: value[None] if choices else value for key, value in inputs.items()})
    logits = out.logits.reshape(2, -1)
    write(name, model, {f"in.{key}": value for key, value in inputs.items()} | {"out.logits": logits}, {})


def lxmert_answers() -> None:
    config = LxmertConfig(**TEXT, l_layers=1, x_layers=2, r_layers=1, visual_feat_dim=5, num_qa_labels=6, hidden_act="relu")
    model = randomise(LxmertForQuestionAnswering(config))
    texts, seen = texts_and_regions(4)
    inputs = texts | {"visual_feats": torch.randn(2, 4, 5), "visual_pos": torch.rand(2, 4, 4)} | seen
    with torch.no_grad():
        answers = model(**inputs).question_answering_score
    write("lxmert_answers", model, {f"in.{key}": value for key, value in inputs.items()} | {"out.answers": answers}, {})


torch.manual_seed(5)
git_of_frames()
blip2_post_norm()
clip_end_token()
resnet_strides()
visual_bert_head("visual_bert_answers", VisualBertForQuestionAnswering, num_labels=7)
visual_bert_head("visual_bert_reasoning", VisualBertForVisualReasoning, num_labels=2)
visual_bert_head("visual_bert_choices", VisualBertForMultipleChoice)
lxmert_answers()
