# /// script
# dependencies = ["tokenizers"]
# ///
"""Writes test/goldens/bpe.json: what Hugging Face's tokenizers learn from the captions in test/goldens/metrics, and how they encode.

usage: python scripts/make_bpe_golden.py
       python scripts/make_bpe_golden.py --check FOLDER   whether the tokenizer.json in FOLDER gives the ids and texts in its probes.json
"""
import json, pathlib, sys
import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

goldens = pathlib.Path(__file__).parent.parent / "test/goldens"

def check(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    probes = json.loads((folder / "probes.json").read_text())
    for probe in probes:
        assert tokenizer.encode(probe["text"]).ids == probe["ids"], probe["text"]
        assert tokenizer.decode(probe["ids"]) == probe["decoded"], probe["text"]
    print(f"{len(probes)} captions have the same ids and texts in tokenizers {tokenizers.__version__}")

def make():
    items = json.loads((goldens / "metrics/captions.inputs.json").read_text())["items"]
    captions = sorted({text for item in items for text in [item["candidate"], *item["references"]]})
    cases = []
    for vocab_size, min_count, drop in [(420, 2, True), (2000, 2, False), (300, 1, True)]:
        tokenizer = Tokenizer(models.BPE())
        marks = [
            normalizers.Replace(Regex(r"[^\p{L}\p{M}\p{N}\s'-]+"), " "),
            normalizers.Replace(Regex(r"\s+(?=(?:'(?:s|m|d|re|ve|ll)|n't)(?![\p{L}\p{N}]))"), ""),
        ]
        tokenizer.normalizer = normalizers.Sequence([
            normalizers.NFKC(), normalizers.Lowercase(), *(marks if drop else []),
            normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
        ])
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
        tokenizer.train_from_iterator(captions, trainers.BpeTrainer(
            vocab_size=vocab_size, min_frequency=min_count, show_progress=False,
            special_tokens=["<pad>", "<start>", "<end>", "<unknown>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ))
        model = json.loads(tokenizer.to_str())["model"]
        merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
        probes = ["A dog 's T-shirt, wet.", "two children does n't play", "Ünïcode ΣΑΣ naïve 3.5 🐶", "'quoted' words...", "", *captions[:12]]
        cases.append({
            "vocabSize": vocab_size, "minCount": min_count, "punctuation": "drop" if drop else "keep",
            "tokens": sorted(model["vocab"], key=model["vocab"].get), "merges": [" ".join(pair) for pair in merges],
            "probes": [{"text": t, "ids": (ids := tokenizer.encode(t).ids), "decoded": tokenizer.decode(ids)} for t in probes],
        })
    golden = {"made": f"scripts/make_bpe_golden.py, tokenizers {tokenizers.__version__}", "cases": cases}
    (goldens / "bpe.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")

if len(sys.argv) == 3 and sys.argv[1] == "--check":
    check(pathlib.Path(sys.argv[2]))
else:
    make()
