"""One stage of pycocoevalcap 1.2 on the captions that bench/metrics.bench.ts wrote: python metrics_reference.py STAGE FOLDER

STAGE is tokenizer, BLEU, METEOR, ROUGE-L, CIDEr or whole, which is all of them as pycocoevalcap's eval.py does it. Prints one
line of JSON: the scores, and the peak memory in KiB of this process and of the largest that it started.
"""

import json
import resource
import sys
from pathlib import Path

STAGE, FOLDER = sys.argv[1], Path(sys.argv[2])


def tokenize():
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    items = json.loads((FOLDER / "captions.json").read_text())
    captions = lambda sets: {i: [{"caption": text} for text in texts] for i, texts in enumerate(sets)}
    tokenizer = PTBTokenizer()
    references = tokenizer.tokenize(captions([item["references"] for item in items]))
    return references, tokenizer.tokenize(captions([[item["candidate"]] for item in items]))


def tokenized():
    items = json.loads((FOLDER / "tokens.json").read_text())
    return {i: t["references"] for i, t in enumerate(items)}, {i: [t["candidate"]] for i, t in enumerate(items)}


def bleu(references, candidates):
    from pycocoevalcap.bleu.bleu import Bleu

    corpus, _ = Bleu(4).compute_score(references, candidates, verbose=0)
    return {f"BLEU-{n + 1}": score for n, score in enumerate(corpus)}


def meteor(references, candidates):
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    score, _ = scorer.compute_score(references, candidates)
    del scorer  # ends Java: only then is its memory counted
    return {"METEOR": score}


def rouge_l(references, candidates):
    from pycocoevalcap.rouge.rouge import Rouge

    return {"ROUGE-L": float(Rouge().compute_score(references, candidates)[0])}


def cider(references, candidates):
    from pycocoevalcap.cider.cider import Cider

    return {"CIDEr": float(Cider().compute_score(references, candidates)[0])}


METRICS = {"BLEU": bleu, "METEOR": meteor, "ROUGE-L": rouge_l, "CIDEr": cider}

scores = {}
captions = tokenize() if STAGE in ("tokenizer", "whole") else tokenized()
if STAGE == "tokenizer":
    form = lambda i: {"candidate": captions[1][i][0], "references": captions[0][i]}
    (FOLDER / "tokens.json").write_text(json.dumps([form(i) for i in captions[0]]))
for name, metric in METRICS.items():
    if STAGE in (name, "whole"):
        scores.update(metric(*captions))

memory = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"scores": scores, "peakKibibytes": max(memory)}))
