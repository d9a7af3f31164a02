#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = ["pycocoevalcap==1.2"]
# ///
"""Writes what pycocoevalcap 1.2 makes of the captions written for this project, into test/goldens/metrics.

Needs Java (17 was used). For example:

    python3 -m venv venv && venv/bin/pip install pycocoevalcap==1.2
    venv/bin/python scripts/make_metric_goldens.py

Input: captions.txt (a line per image: candidate | reference | ...) and strings.txt (a line per string).
Output: captions.inputs.json, captions.expected.json and tokenize_strings.json.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import pycocoevalcap.tokenizer.ptbtokenizer as ptb
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge

FOLDER = Path(__file__).resolve().parent.parent / "test" / "goldens" / "metrics"
JAR = Path(ptb.__file__).parent / ptb.STANFORD_CORENLP_3_4_1_JAR


def tokenizer_lines(texts):
    """The tokenizer's own output, a line per text, before punctuation is dropped."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", suffix=".txt") as file:
        # A last line that is not looked at: at the end of a file abbreviations are read in another way.
        file.write("\n".join([*texts, "end"]) + "\n")
        file.flush()
        command = ["java", "-cp", str(JAR), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
        output = subprocess.run([*command, file.name], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
    lines = output.split("\n")
    assert len(lines) == len(texts) + 2, "a text broke its line"
    return lines[: len(texts)]


def tokenize(texts):
    """PTBTokenizer.tokenize of pycocoevalcap, on a list: (raw line, tokens joined by spaces) of each text."""
    kept = lambda line: " ".join(w for w in line.rstrip().split(" ") if w not in ptb.PUNCTUATIONS)
    return [(line, kept(line)) for line in tokenizer_lines(texts)]


def read(name):
    lines = (FOLDER / name).read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line and not line.startswith("# ")]


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (FOLDER / name).write_text(text + "\n", encoding="utf-8", newline="\n")


def scores(candidates, references):
    """Every metric of pycocoevalcap on tokenized captions, as plain lists."""
    bleu = BleuScorer(n=4)
    for candidate, refs in zip(candidates, references):
        bleu += (candidate, refs)
    bleu_corpus, bleu_segments = bleu.compute_score(option="closest")
    total = lambda key: [sum(c[key][n] for c in bleu.ctest) for n in range(4)]
    gts = dict(enumerate(references))
    res = {i: [candidate] for i, candidate in enumerate(candidates)}
    rouge_corpus, rouge_segments = Rouge().compute_score(gts, res)
    cider_corpus, cider_segments = Cider().compute_score(gts, res)
    meteor = Meteor()
    stats = [meteor._stat(candidate, refs) for candidate, refs in zip(candidates, references)]
    meteor_corpus, meteor_segments = meteor.compute_score(gts, res)
    return {
        "bleu": {
            "corpus": bleu_corpus,
            "segment": bleu_segments,
            "comps": {
                "testlen": bleu._testlen,
                "reflen": bleu._reflen,
                "guess": total("guess"),
                "correct": total("correct"),
            },
        },
        "rougeL": {"corpus": float(rouge_corpus), "segment": rouge_segments.tolist()},
        "cider": {"corpus": float(cider_corpus), "segment": cider_segments.tolist()},
        "meteor": {"corpus": meteor_corpus, "segment": list(meteor_segments), "stats": stats},
    }


def main():
    items = []
    for number, line in enumerate(read("captions.txt")):
        candidate, *references = [part.strip(" ") for part in line.split("|")]
        items.append({"id": number, "candidate": candidate, "references": references})
    tokens = iter(tokenize([text for item in items for text in [item["candidate"], *item["references"]]]))
    for item in items:
        item["candidateTokens"] = next(tokens)[1]
        item["referenceTokens"] = [next(tokens)[1] for _ in item["references"]]
    write("captions.inputs.json", {"note": "written for this project; made by scripts/make_metric_goldens.py", "items": items})
    write(
        "captions.expected.json",
        scores([item["candidateTokens"] for item in items], [item["referenceTokens"] for item in items]),
    )
    texts = read("strings.txt")
    write(
        "tokenize_strings.json",
        [{"text": text, "ptb": line, "tokens": kept} for text, (line, kept) in zip(texts, tokenize(texts))],
    )


if __name__ == "__main__":
    main()
