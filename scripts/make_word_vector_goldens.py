# /// script
# dependencies = ["gensim"]
# ///
"""Writes test/goldens/wordVectors: a small model of fastText and one of word2vec as binary files, and vectors as gensim reads them.

usage: python scripts/make_word_vector_goldens.py
"""
import json, pathlib
import gensim
from gensim.models import FastText
from gensim.models.fasttext import load_facebook_vectors, save_facebook_model

folder = pathlib.Path(__file__).parent.parent / "test/goldens/wordVectors"
folder.mkdir(parents=True, exist_ok=True)
captions = (folder.parent / "metrics/captions.txt").read_text().lower().replace("|", " ").split("\n")[2:12]
sentences = [caption.replace(".", "").split() + ["größe", "naïve"] for caption in captions]
model = FastText(sentences, vector_size=5, min_count=2, bucket=60, min_n=3, max_n=5, epochs=2, seed=1, workers=1)
save_facebook_model(model, str(folder / "fastText.bin"))
model.wv.save_word2vec_format(str(folder / "word2vec.bin"), binary=True)
read = load_facebook_vectors(str(folder / "fastText.bin"))
words = read.index_to_key
probes = [*words[:12], "größe", "doggish", "zebra", "naïveté"]
plain = gensim.models.KeyedVectors.load_word2vec_format(str(folder / "word2vec.bin"), binary=True)
golden = {
    "made": f"scripts/make_word_vector_goldens.py, gensim {gensim.__version__}",
    "words": words,
    "fastText": {word: [float(v) for v in read[word]] for word in probes},
    "word2vec": {word: [float(v) for v in plain[word]] for word in plain.index_to_key},
}
(folder / "expected.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
