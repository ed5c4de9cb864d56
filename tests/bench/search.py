#!/usr/bin/env python3
"""The store's searches beside libraries that people would use instead, on the same passages and questions, in one run, taking turns.

search.py BENCH_SEARCH BENCH_ENCODER MODEL_DIR CORPUS [--chunks N] [--questions N] [--rounds N] [--venv DIR]

CORPUS is text (or JSON objects a line with "text"); passages of about 30 tokens are cut from it and embedded with the local model. Where it
gives fewer than --chunks vectors, the rest are mixtures of two real ones; their texts are real. One thread each, top 10, 384 dimensions.
Peers are tuned on half of the questions to recall@10 >= 0.99 against exact scores and measured on the other half: usearch, faiss (flat,
HNSW), hnswlib, sqlite-vec for vectors; bm25s and tantivy for words.
"""
import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time

PINS = {"numpy": None, "usearch": "2.26.6", "faiss-cpu": "1.15.1", "hnswlib": "0.8.0", "sqlite-vec": "0.1.9", "bm25s": "0.3.16", "tantivy": "0.27.0"}
K = 10
RECALL = 0.99


def recall(found, wanted):
    return sum(len(set(a) & set(b)) for a, b in zip(found, wanted)) / sum(len(b) for b in wanted)


def timed(ask, questions):
    times, hits = [], []
    for question in questions:
        begin = time.perf_counter()
        hits.append(ask(question))
        times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    return {"p50_ms": times[len(times) // 2], "p99_ms": times[len(times) * 99 // 100], "hits": hits}


# --- peers for vectors: name -> (made in seconds, function of one vector), the smallest effort that reaches RECALL on the sample -------

def tuned(make_ask, efforts, sample, wanted):
    for effort in efforts:
        ask = make_ask(effort)
        if recall([ask(vector) for vector in sample], wanted) >= RECALL:
            return effort, ask
    return efforts[-1], make_ask(efforts[-1])


EFFORTS = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]


def usearch_peer(vectors, sample, wanted):
    from usearch.index import Index
    index = Index(ndim=vectors.shape[1], metric="cos", dtype="f32", connectivity=16, expansion_add=128)
    import numpy
    index.add(numpy.arange(len(vectors)), vectors, threads=2)

    def make(effort):
        def ask(vector):
            index.expansion_search = effort
            return [int(key) for key in index.search(vector, K, threads=1).keys]
        return ask
    return tuned(make, EFFORTS, sample, wanted)


def hnswlib_peer(vectors, sample, wanted):
    import hnswlib
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
    index.add_items(vectors, num_threads=2)

    def make(effort):
        def ask(vector):
            index.set_ef(effort)
            return index.knn_query(vector, k=K, num_threads=1)[0][0].tolist()
        return ask
    return tuned(make, EFFORTS, sample, wanted)


def faiss_flat_peer(vectors, sample, wanted):
    import faiss
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return "exact", lambda vector: index.search(vector[None], K)[1][0].tolist()


def faiss_hnsw_peer(vectors, sample, wanted):
    import faiss
    faiss.omp_set_num_threads(2)
    index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 200
    index.add(vectors)
    faiss.omp_set_num_threads(1)

    def make(effort):
        def ask(vector):
            index.hnsw.efSearch = effort
            return index.search(vector[None], K)[1][0].tolist()
        return ask
    return tuned(make, EFFORTS, sample, wanted)


def sqlite_vec_peer(vectors, sample, wanted):
    import sqlite3
    import sqlite_vec
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.execute("CREATE VIRTUAL TABLE v USING vec0(e float[%d] distance_metric=cosine)" % vectors.shape[1])
    db.executemany("INSERT INTO v(rowid, e) VALUES (?, ?)", ((i, row.tobytes()) for i, row in enumerate(vectors)))
    db.commit()
    return "exact", lambda vector: [row[0] for row in db.execute("SELECT rowid FROM v WHERE e MATCH ? AND k = %d" % K, (vector.tobytes(),))]


DENSE = {"usearch": usearch_peer, "hnswlib": hnswlib_peer, "faiss HNSW": faiss_hnsw_peer, "faiss flat": faiss_flat_peer, "sqlite-vec": sqlite_vec_peer}


# --- peers for words ------------------------------------------------------------------------------------------------------------------

def bm25s_peer(texts):
    import bm25s
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    return lambda question: index.retrieve(bm25s.tokenize(question, stopwords="en", show_progress=False), k=K, show_progress=False, n_threads=0)[0][0].tolist()


def tantivy_peer(texts):
    import re
    import tantivy
    schema = tantivy.SchemaBuilder().add_integer_field("n", stored=True).add_text_field("t", tokenizer_name="en_stem").build()
    index = tantivy.Index(schema)
    writer = index.writer(200_000_000, 1)
    for n, text in enumerate(texts):
        writer.add_document(tantivy.Document(n=[n], t=[text]))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def ask(question):
        query = index.parse_query(" ".join(re.findall(r"\w+", question)), ["t"])
        return [searcher.doc(address)["n"][0] for _, address in searcher.search(query, K).hits]
    return ask


SPARSE = {"bm25s": bm25s_peer, "tantivy": tantivy_peer}


# --- the run ----------------------------------------------------------------------------------------------------------------------

class Ours:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def read_corpus(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            yield from (json.loads(line)["text"] if line.startswith("{") else line).split()


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(line + "\n" for line in lines))


def embed(options, texts, path):
    import numpy
    write_lines(path + ".txt", texts)
    done = subprocess.run([options.encoder, options.model, path + ".txt"], input=b"vectors\n", stdout=subprocess.PIPE, check=True).stdout
    head, _, rows = done.partition(b"\n")
    return numpy.frombuffer(rows, dtype=numpy.float32).reshape(json.loads(head)["count"], -1)


def make_input(options, folder):
    """Passages of 22 words, questions of 11 from places between them; kept in the folder."""
    import numpy
    stamp = os.path.join(folder, "made-%d-%d" % (options.chunks, options.questions))
    paths = {name: os.path.join(folder, "%s-%d" % (name, options.chunks)) for name in ("passages", "questions")}
    if not os.path.exists(stamp):
        words = list(read_corpus(options.corpus))
        texts = [" ".join(words[at:at + 22]) for at in range(0, len(words) - 22, 22)][:options.chunks]
        step = max(1, len(words) // options.questions)
        questions = [" ".join(words[at + 5:at + 16]) for at in range(0, len(words) - 16, step)][:options.questions]
        vectors = embed(options, texts, paths["passages"])
        real = len(vectors)
        if real < options.chunks:
            draw = numpy.random.default_rng(1)
            a, b = draw.integers(0, real, (2, options.chunks - real))
            share = draw.uniform(0.3, 0.7, (len(a), 1)).astype(numpy.float32)
            mixed = vectors[a] * share + vectors[b] * (1 - share)
            vectors = numpy.concatenate([vectors, mixed / numpy.linalg.norm(mixed, axis=1, keepdims=True)])
            texts = [texts[i % real] for i in range(options.chunks)]
            write_lines(paths["passages"] + ".txt", texts)
        vectors.astype(numpy.float32).tofile(paths["passages"] + ".f32")
        embed(options, questions, paths["questions"]).astype(numpy.float32).tofile(paths["questions"] + ".f32")
        with open(stamp, "w") as f:
            f.write("%d" % real)
    with open(stamp) as f:
        print("%d passages, %s of them with vectors of their own, %d questions" % (options.chunks, f.read(), options.questions), flush=True)
    return paths


def index_of(options, folder):
    return os.path.join(folder, "index-%d" % options.chunks)


def ours(options, folder, paths):
    index = index_of(options, folder)
    if not os.path.exists(os.path.join(index, "qloader.db")):
        os.makedirs(index, exist_ok=True)
        begin = time.perf_counter()
        subprocess.run([options.bench, "build", index, paths["passages"] + ".txt", paths["passages"] + ".f32"], check=True)
        print("qloader: index made in %.1f s" % (time.perf_counter() - begin), flush=True)
    return Ours(options.bench, "run", index, paths["questions"] + ".txt", paths["questions"] + ".f32")


def row(name, made, results, wanted, reference=None):
    p50, p99 = (statistics.median(result[key] for result in results) for key in ("p50_ms", "p99_ms"))
    ratio = "" if reference is None else "%.2f (%.2f to %.2f)" % (lambda r: (statistics.median(r), min(r), max(r)))([result["p50_ms"] / own["p50_ms"] for result, own in zip(results, reference)])
    print("%-16s %9.3f %9.3f   %-8s %-24s %s" % (name, p50, p99, "%.4f" % recall(results[0]["hits"], wanted) if wanted else "", made, ratio), flush=True)


def dense(options, own, paths):
    import numpy
    vectors = numpy.fromfile(paths["passages"] + ".f32", dtype=numpy.float32).reshape(-1, 384)
    questions = numpy.fromfile(paths["questions"] + ".f32", dtype=numpy.float32).reshape(-1, 384)
    exact = numpy.concatenate([numpy.argsort(-(part @ vectors.T), axis=1)[:, :K] for part in numpy.array_split(questions, 50)]).tolist()
    half = len(questions) // 2
    peers = {}
    for name in DENSE:
        if name not in options.peers.split(","):
            continue
        begin = time.perf_counter()
        if name == "sqlite-vec" and not hasattr(__import__("sqlite3").Connection, "enable_load_extension"):
            print("sqlite-vec is left out: the sqlite3 of this Python loads no extensions")
            continue
        effort, ask = DENSE[name](vectors, questions[:half], exact[:half])
        peers[name] = (ask, "%.0f s, effort %s" % (time.perf_counter() - begin, effort))
    results = {name: [] for name in ("qloader", "filtered", "newly_filtered", *peers)}
    for _ in range(options.rounds):
        results["qloader"].append(own.ask("dense"))
        results["filtered"].append(own.ask("filtered"))
        results["newly_filtered"].append(own.ask("newly_filtered"))
        for name, (ask, _) in peers.items():
            results[name].append(timed(ask, questions[half:]))
    print("\n%-16s %9s %9s   %-8s %-24s %s" % ("vectors", "p50 ms", "p99 ms", "recall", "made and tuned in", "times slower than qloader"))
    row("qloader", "", results["qloader"], exact)
    row("with a 1% filter", "", results["filtered"], None)
    row("one newly met", "", results["newly_filtered"], None)
    for name, (_, made) in peers.items():
        row(name, made, results[name], exact[half:], results["qloader"])


def sparse(options, own, paths):
    with open(paths["passages"] + ".txt", encoding="utf-8") as f:
        texts = f.read().split("\n")[:-1]
    with open(paths["questions"] + ".txt", encoding="utf-8") as f:
        questions = f.read().split("\n")[:-1]
    peers = {}
    for name in SPARSE:
        if name in options.peers.split(","):
            begin = time.perf_counter()
            peers[name] = (SPARSE[name](texts), "%.0f s" % (time.perf_counter() - begin))
    results = {name: [] for name in ("qloader", "hybrid", *peers)}
    for _ in range(options.rounds):
        results["qloader"].append(own.ask("sparse"))
        results["hybrid"].append(own.ask("hybrid"))
        for name, (ask, _) in peers.items():
            results[name].append(timed(ask, questions))
    print("\n%-16s %9s %9s   %-8s %-24s %s" % ("words", "p50 ms", "p99 ms", "", "made in", "times slower than qloader"))
    row("qloader", "", results["qloader"], None)
    row("hybrid search", "", results["hybrid"], None)
    for name, (_, made) in peers.items():
        row(name, made, results[name], None, results["qloader"])
    size, words, text = own.ask("size"), words_bytes(index_of(options, os.path.dirname(paths["passages"]))), sum(map(len, texts))
    print("index: %.1f MB of vectors, %.1f MB of everything else, of which words %.1f MB; texts: %.1f MB, so words take %.0f %% of them" % (
        size["vector_bytes"] / 1e6, size["database_bytes"] / 1e6, words / 1e6, text / 1e6, 100 * words / text))


def words_bytes(index):
    """Of the inverted index: terms, postings and what is not merged yet, a few bytes a row for keys, and a length for each chunk."""
    database = sqlite3.connect("file:%s?mode=ro" % os.path.join(index, "qloader.db"), uri=True)
    rows, data = database.execute("SELECT count(*), total(length(term) + length(data)) FROM posting").fetchone()
    log = database.execute("SELECT total(length(data)) FROM posting_log").fetchone()[0]
    lengths = database.execute("SELECT total(length(lengths)) FROM slot_page").fetchone()[0]
    database.close()
    return data + log + lengths + 12 * rows


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("bench", "encoder", "model", "corpus"):
        parser.add_argument(name)
    parser.add_argument("--chunks", type=int, default=100000)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--venv", default="build/bench-peers")
    parser.add_argument("--peers", default=",".join([*DENSE, *SPARSE]))
    options = parser.parse_args()
    python = os.path.join(options.venv, "bin", "python3")
    if os.path.realpath(sys.prefix) != os.path.realpath(options.venv):
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", options.venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *("%s==%s" % pin if pin[1] else pin[0] for pin in PINS.items())], check=True)
        return subprocess.run([python, os.path.abspath(__file__), *sys.argv[1:]]).returncode
    folder = os.path.join(options.venv, "search")
    os.makedirs(folder, exist_ok=True)
    paths = make_input(options, folder)
    own = ours(options, folder, paths)
    dense(options, own, paths)
    sparse(options, own, paths)
    own.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
