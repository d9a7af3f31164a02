#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = ["pycocoevalcap==1.2"]
# ///
"""Writes what pycocoevalcap 1.2 makes of the captions written for this project, into test/goldens/metrics.

Needs Java (17 was used). For example:

    python3 -m venv venv && venv/bin/pip install pycocoevalcap==1.2
    venv/bin/python scripts/make_metric_goldens.py

Input: captions.txt (a line per image: candidate | reference | ...), strings.txt (a line per string), words.txt (words between
spaces) and pairs.txt (a line per pair: candidate | reference).
Output: captions.inputs.json, captions.expected.json, tokenize_strings.json, meteor_stems.json, meteor_normalize.json and
meteor_align.json.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import pycocoevalcap.meteor.meteor as meteor_module
import pycocoevalcap.tokenizer.ptbtokenizer as ptb
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge

FOLDER = Path(__file__).resolve().parent.parent / "test" / "goldens" / "metrics"
JAR = Path(ptb.__file__).parent / ptb.STANFORD_CORENLP_3_4_1_JAR
METEOR_JAR = Path(meteor_module.__file__).parent / meteor_module.METEOR_JAR
METEOR_PROBE = Path(__file__).resolve().parent / "MeteorProbe.java"


# A caption's last word can depend on the first of the next, which stands on the next line of the tokenizer's file.
LINE_ENDS = "K.|st. S.|U.S.|etc.|no.|Mr.|Co.|a.m.|'90|can|S&P|isn't|12|...".split("|")
LINE_STARTS = ["A dog", "a dog", "The cat ran", "Dogs run", "5 dogs", "<b> cats", "It"]


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


def meteor_inside(requests):
    """What METEOR's own classes answer, a list of fields per request; see MeteorProbe.java."""
    lines = "".join("\t".join(request) + "\n" for request in requests)
    command = ["java", "-Xmx2G", "-cp", str(METEOR_JAR), str(METEOR_PROBE)]
    output = subprocess.run(command, input=lines.encode("utf-8"), stdout=subprocess.PIPE, check=True).stdout
    answers = output.decode("utf-8").split("\n")[:-1]
    assert len(answers) == len(requests), "a text broke its line"
    return [answer.split("\t") for answer in answers]


def alignment(test, reference, answer):
    stats, score, precision, recall, fmean, penalty, words1, words2, matches = answer
    return {
        "test": test,
        "reference": reference,
        "stats": stats,
        "score": float(score),
        "precision": precision,
        "recall": recall,
        "fmean": fmean,
        "penalty": penalty,
        "words1": words1,
        "words2": words2,
        "matches": [[int(number) for number in match.split(" ")] for match in matches.split(";") if match],
    }


def write_meteor(texts, pairs):
    """Stems of all words, texts as METEOR's -norm makes them, and alignments of one candidate with one reference each."""
    normalised = [answer[0] for answer in meteor_inside([("normalise", text) for text in texts])]
    write("meteor_normalize.json", [{"text": text, "normalized": line} for text, line in zip(texts, normalised)])
    words = {word for line in read("words.txt") + normalised for word in line.lower().split(" ") if word}
    stems = meteor_inside([("stem", word) for word in sorted(words)])
    write("meteor_stems.json", {word: stem for word, (stem,) in zip(sorted(words), stems)})
    answers = meteor_inside([("align", *pair) for pair in pairs])
    write(
        "meteor_align.json",
        {
            "note": "matches: [module (0 exact, 1 stem, 2 synonym, 3 paraphrase), refStart, refLen, testStart, testLen]",
            "pairs": [alignment(*pair, answer) for pair, answer in zip(pairs, answers)],
        },
    )


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
    lines = [line for end in LINE_ENDS for start in LINE_STARTS for line in (f"We saw {end}", start)]
    kept = [tokens for _, tokens in tokenize([*lines, "the end"])]
    write(
        "tokenize_lines.json",
        [{"text": text, "next": next_line, "tokens": k} for text, next_line, k in zip(lines, [*lines[1:], "the end"], kept)],
    )
    captions = [text for item in items for text in [item["candidate"], *item["references"]]]
    pairs = [tuple(part.strip(" ") for part in line.split("|")) for line in read("pairs.txt")]
    pairs += [(item["candidateTokens"], reference) for item in items for reference in item["referenceTokens"]]
    write_meteor(list(dict.fromkeys([*captions, *texts])), list(dict.fromkeys(pairs)))


if __name__ == "__main__":
    main()
