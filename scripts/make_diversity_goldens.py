"""
Makes test/goldens/metrics/diversity.json and clip_score.json: diversity of sets of captions by the formulas of
DiversityMetrics (https://github.com/qingzwang/DiversityMetrics) over the BLEU and CIDEr-D code of pycocoevalcap, and
CLIPScore by the formulas of Hessel et al. 2021 in numpy. The captions were written for this project and tokenized by
scripts/make_metric_goldens.py, which runs first.

  pip install pycocoevalcap==1.2 numpy
  python scripts/make_diversity_goldens.py
"""

import json
from pathlib import Path

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer

FOLDER = Path(__file__).resolve().parent.parent / "test" / "goldens" / "metrics"

# Beside the references of images: kernels with a negative eigenvalue, which clipping gives where words are repeated;
# captions that occur twice, captions too short for all n-grams, and one without words.
SETS = [
    ["dog dog", "dog", "dog dog"],
    ["cat dog a cat a cat dog a cat", "dog dog", "a cat dog dog dog", "dog dog"],
    ["a dog on the grass", "a cat on a windowsill", "a dog on the grass", "two women talk on a bench"],
    ["a red bus", "a red bus", "a red bus"],
    ["a bus", "bus", "", "a red bus at the corner of a street", "a red bus at a corner"],
]


def frequencies(corpus):
    scorer = CiderScorer()
    for captions in corpus:
        scorer.cook_append(None, captions)
    scorer.compute_doc_freq()
    return scorer.document_frequency, len(corpus)


def cider(candidate, reference, document_frequency, images):
    """CIDEr-D of one caption against one other, the frequencies those of a larger corpus."""
    scorer = CiderScorer(test=candidate, refs=[reference])
    scorer.document_frequency = document_frequency
    # The scorer takes the logarithm of this list's length for the number of images, and looks at its first entry only.
    scorer.crefs += [None] * (images - 1)
    return float(scorer.compute_cider()[0])


def share(values, captions):
    return float(-np.log(max(values) / sum(values)) / np.log(captions))


def kernel(captions, document_frequency, images):
    size = len(captions)
    matrix = np.zeros((size, size))
    for i in range(size):
        for j in range(i, size):
            matrix[i, j] = matrix[j, i] = cider(captions[i], captions[j], document_frequency, images)
    return matrix


def lsa(captions):
    words = [caption.split(" ") for caption in captions]
    vocabulary = sorted({word for caption in words for word in caption})
    counts = np.array([[caption.count(word) for caption in words] for word in vocabulary], dtype=float)
    return share(np.linalg.svd(counts, compute_uv=False), len(captions))


def mutual_bleu(captions):
    scores = []
    for i, caption in enumerate(captions):
        scorer = BleuScorer(test=caption, refs=captions[:i] + captions[i + 1 :], n=4)
        scores.append(scorer.compute_score(option="closest", verbose=0)[0])
    return np.mean(scores, axis=0).tolist()


def distinct(captions):
    words = [caption.split() for caption in captions]
    total = sum(map(len, words))
    result = {}
    for n in range(1, 5):
        ngrams = [tuple(caption[i : i + n]) for caption in words for i in range(len(caption) - n + 1)]
        unique = len(set(ngrams))
        ratio = unique / len(ngrams) if ngrams else 0
        result[n] = {"unique": unique, "ngrams": len(ngrams), "distinctOverNgrams": ratio, "divOverWords": unique / total}
    return result


def diversity():
    images = json.loads((FOLDER / "captions.inputs.json").read_text(encoding="utf-8"))["items"]
    # Of half of the images, so that there are n-grams which no document has, and captions which are not novel.
    corpus = [image["referenceTokens"] for image in images[::2]]
    candidates = [image["candidateTokens"] for image in images if image["candidateTokens"]]
    sets = [image["referenceTokens"] for image in images if len(image["referenceTokens"]) > 2]
    sets += [candidates[:2], candidates[:20], *SETS]
    document_frequency, count = frequencies(corpus)
    items = []
    for number, captions in enumerate(sets):
        matrix = kernel(captions, document_frequency, count)
        roots = np.sqrt(np.linalg.svd(matrix, compute_uv=False))
        items.append(
            {
                "id": number,
                "captions": captions,
                "selfCider": share(roots, len(captions)),
                "ciderKernel": matrix.tolist(),
                "lsa": lsa(captions),
                "mBleu": mutual_bleu(captions),
                "distinct": distinct(captions),
            }
        )
    generated = [caption for captions in sets for caption in captions]
    known = {caption for captions in corpus for caption in captions}
    return {
        "note": "written for this project; made by scripts/make_diversity_goldens.py",
        "dfCorpus": corpus,
        "items": items,
        "mean": {key: np.mean([item[key] for item in items], axis=0).tolist() for key in ("selfCider", "mBleu", "lsa")},
        "vocabulary": len({word for caption in generated for word in caption.split()}),
        "novelty": float(np.mean([caption not in known for caption in generated])),
    }


def clip_score():
    """Embeddings without meaning, of every sign of cosine; the references of one caption all point away from it."""
    random = np.random.default_rng(7)
    unit = lambda vector: vector / np.linalg.norm(vector)
    rounded = lambda *shape: np.round(random.normal(size=shape), 4)
    weight = 2.5
    items = []
    for number in range(12):
        image, caption = rounded(6), rounded(6) * (number + 1)
        references = rounded(1 + number % 3, 6)
        if number % 2 == 0:
            caption += 2 * image
            references += caption
        if number == 4:
            references = -np.abs(references) * np.sign(caption)
        score = weight * max(float(unit(image) @ unit(caption)), 0)
        best = max(0.0, *(float(unit(reference) @ unit(caption)) for reference in references))
        items.append(
            {
                "image": image.tolist(),
                "caption": caption.tolist(),
                "references": references.tolist(),
                "clipScore": score,
                "refClipScore": 2 * score * best / (score + best) if score > 0 and best > 0 else 0.0,
            }
        )
    return {
        "note": "made by scripts/make_diversity_goldens.py",
        "weight": weight,
        "items": items,
        "mean": {key: float(np.mean([item[key] for item in items])) for key in ("clipScore", "refClipScore")},
    }


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    (FOLDER / name).write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write("diversity.json", diversity())
    write("clip_score.json", clip_score())
