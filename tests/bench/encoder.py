#!/usr/bin/env python3
"""The local embedder beside others that run the same model, in one run, taking turns.

encoder.py BENCH_ENCODER MODEL_DIR CORPUS [--rounds N] [--threads N] [--texts N] [--tokens N] [--venv DIR] [--peers a,b]

CORPUS is a file of JSON objects a line with "text" (or plain text a line). From it are made --texts passages of --tokens tokens and as many
questions of 12. Peers are installed into --venv at the versions below: sentence-transformers (torch, float32), ONNX Runtime in float32 and
with dynamically quantized int8 weights, OpenVINO with static shapes in the arithmetic it prefers for the machine, batches tried out first.
Every round each embeds all passages once, in turn; a ratio is of two neighbours of one round. Printed are both sides, the median ratio with
its range, the mean cosine to float32 torch, and what the machine allows.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

PINS = {"torch": "2.15.0", "sentence-transformers": "6.2.0", "transformers": None, "onnx": None, "onnxscript": None, "onnxruntime": "1.32.0", "openvino": "2026.4.1"}
PEERS = ["sentence-transformers", "onnxruntime", "onnxruntime-int8", "openvino"]
QUESTION_TOKENS = 12


# --- workers: one peer a process, asked over pipes as bench_encoder is ------------------------------------------------------------

def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return f.read().split("\n")[:-1]


def tokenizer_of(model):
    from tokenizers import Tokenizer
    made = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(256)
    return made


def cut(model, corpus, count, tokens, out):
    """Texts of exactly so many tokens, from the beginning of the corpus on."""
    cutter = tokenizer_of(model)
    cutter.no_truncation()
    made = []
    with open(corpus, encoding="utf-8") as f:
        whole = " ".join(" ".join((json.loads(line)["text"] if line.startswith("{") else line).split()) for line in f if line.strip())
    at = 0
    while len(made) < count:
        piece = whole[at:at + 20 * tokens]
        found = cutter.encode(piece, add_special_tokens=False)
        if len(found.ids) < tokens:
            raise SystemExit("the corpus is too short for %d texts of %d tokens" % (count, tokens))
        end = found.offsets[tokens - 1][1]
        text = piece[:end]
        at += end
        if len(cutter.encode(text, add_special_tokens=False).ids) == tokens:
            made.append(text)
    with open(out, "w", encoding="utf-8") as f:
        f.write("".join(text + "\n" for text in made))


def export(model, path):
    import torch
    from transformers import AutoModel
    net = AutoModel.from_pretrained(model, attn_implementation="eager").eval()

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, ids, mask, kinds):
            return self.net(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state

    ones = torch.ones(2, 16, dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(Hidden(), (ones, ones, ones * 0), path, input_names=["ids", "mask", "kinds"], output_names=["hidden"], opset_version=17, dynamo=False,
                      dynamic_axes={name: axes for name in ("ids", "mask", "kinds", "hidden")})


def batches(encoded, size):
    """Equal lengths side by side, padded to the longest; the longest first, as all of them do it."""
    import numpy
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i].ids))
    for begin in range(0, len(order), size):
        part = order[begin:begin + size]
        longest = len(encoded[part[0]].ids)
        ids, mask = (numpy.zeros((len(part), longest), dtype=numpy.int64) for _ in range(2))
        for row, i in enumerate(part):
            ids[row, :len(encoded[i].ids)] = encoded[i].ids
            mask[row, :len(encoded[i].ids)] = 1
        yield part, ids, mask


def pool(hidden, mask):
    import numpy
    vectors = (hidden * mask[:, :, None]).sum(1)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def torch_peer(model, threads):
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(threads)
    net = SentenceTransformer(model, device="cpu")
    return lambda texts: net.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def numpy_peer(model, run, size):
    """Around a function from (ids, mask) to hidden states."""
    import numpy
    tokens = tokenizer_of(model)

    def embed(texts):
        out = numpy.empty((len(texts), 384), dtype=numpy.float32)
        for part, ids, mask in batches(tokens.encode_batch(texts), size):
            out[part] = pool(run(ids, mask), mask)
        return out
    return embed


def onnxruntime_peer(model, threads, path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return numpy_peer(model, lambda ids, mask: session.run(None, {"ids": ids, "mask": mask, "kinds": ids * 0})[0], 16)


def openvino_peer(model, threads, path, texts):
    """Static shapes, one graph a (batch, length); asynchronous requests on as many streams as suit; what is best on a sample is kept."""
    import numpy
    import openvino
    core = openvino.Core()
    tokens = tokenizer_of(model)
    compiled = {}

    def graph(batch, length, streams):
        key = (batch, length, streams)
        if key not in compiled:
            net = core.read_model(path)
            net.reshape({name: [batch, length] for name in ("ids", "mask", "kinds")})
            made = core.compile_model(net, "CPU", {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams})
            compiled[key] = openvino.AsyncInferQueue(made, streams)
            compiled[key].set_callback(lambda request, kept: kept[0].__setitem__(kept[1], pool(request.get_output_tensor(0).data, kept[2])))
        return compiled[key]

    def embed(texts, batch, streams):
        out = numpy.empty((len(texts), 384), dtype=numpy.float32)
        for part, ids, mask in batches(tokens.encode_batch(texts), batch):
            queue = graph(len(part), ids.shape[1], streams)
            queue.start_async({"ids": ids, "mask": mask, "kinds": ids * 0}, (out, part, mask))
        for queue in compiled.values():
            queue.wait_all()
        return out

    def seconds(batch, streams):
        sample = texts[:32]
        embed(sample, batch, streams)
        begin = time.perf_counter()
        embed(sample, batch, streams)
        return time.perf_counter() - begin

    best = min(((batch, streams) for batch in (1, 4, 16) for streams in (1, threads)), key=lambda choice: seconds(*choice))
    print("openvino: batch %d, %d streams, %s" % (*best, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")), file=sys.stderr)
    return lambda texts: embed(texts, *best) if len(texts) > 1 else embed(texts, 1, 1)


def work(name, model, threads, passages, questions, onnx):
    import numpy
    texts, asked = read_lines(passages), read_lines(questions)
    makers = {"sentence-transformers": lambda: torch_peer(model, threads), "onnxruntime": lambda: onnxruntime_peer(model, threads, onnx),
              "onnxruntime-int8": lambda: onnxruntime_peer(model, threads, onnx + ".int8"), "openvino": lambda: openvino_peer(model, threads, onnx, texts)}
    embed = makers[name]()
    for line in sys.stdin:
        word = line.strip()
        begin = time.perf_counter()
        if word == "query":
            times = []
            for text in asked:
                begin = time.perf_counter()
                embed([text])
                times.append((time.perf_counter() - begin) * 1e3)
            print(json.dumps({"p50_ms": statistics.median(times)}), flush=True)
        elif word == "passages":
            embed(texts)
            print(json.dumps({"wall_s": time.perf_counter() - begin}), flush=True)
        else:
            path = onnx + "." + name + ".npy"
            numpy.save(path, embed(texts))
            print(json.dumps({"path": path}), flush=True)


# --- the run ----------------------------------------------------------------------------------------------------------------------

class Worker:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a peer ended: %s" % self.process.args)
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def install(venv):
    python = os.path.join(venv, "bin", "python3")
    wanted = ["%s==%s" % pin if pin[1] else pin[0] for pin in PINS.items()]
    stamp = os.path.join(venv, ".installed")
    if os.path.exists(stamp) and open(stamp).read() == " ".join(wanted):
        return python
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    with open(stamp, "w") as f:
        f.write(" ".join(wanted))
    return python


def features():
    with open("/proc/cpuinfo") as f:
        text = f.read()
    name = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "?")
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return name, [flag for flag in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8") if flag in flags]


def spread(values):
    return "%.2f (%.2f to %.2f)" % (statistics.median(values), min(values), max(values))


def compare(options, python, folder):
    passages, questions, onnx = (os.path.join(folder, name) for name in ("passages.txt", "questions.txt", "model.onnx"))
    me = os.path.abspath(__file__)
    for path, tokens in ((passages, options.tokens), (questions, QUESTION_TOKENS)):
        subprocess.run([python, me, "--cut", options.model, options.corpus, str(options.texts), str(tokens), path], check=True)
    if not os.path.exists(onnx + ".int8"):
        subprocess.run([python, me, "--export", options.model, onnx], check=True)
    threads = str(options.threads)
    machine, flags = features()
    own = {"qloader": [], "qloader-fp32": ["fp32"], **({"qloader-int8": ["int8"]} if "avx512_vnni" in flags else {})}
    workers = {ours: Worker([options.bench, options.model, passages, threads, *precision]) for ours, precision in own.items()}
    for name in options.peers.split(","):
        workers[name] = Worker([python, me, "--worker", name, options.model, threads, passages, questions, onnx])
    tokens = options.texts * (options.tokens + 2)
    print("%s, %s; %d threads; %d texts of %d tokens" % (machine, " ".join(flags), options.threads, options.texts, options.tokens), flush=True)
    rates = {name: [] for name in workers}
    for worker in workers.values():
        worker.ask("passages")  # warm
    limits = {ours: workers[ours].ask("limits") for ours in own}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            rates[name].append(tokens / worker.ask("passages")["wall_s"])
    print("\n%-24s %12s   this many times as fast as it is qloader%s" % ("passages", "tokens/s", ", and qloader-int8" if "qloader-int8" in own else ""))
    for name in workers:
        ratios = [spread([a / b for a, b in zip(rates[ours], rates[name])]) for ours in ("qloader", "qloader-int8") if ours in own and ours != name]
        print("%-24s %12.0f   %s" % (name, statistics.median(rates[name]), "   ".join(ratios)))
    show_limits(options, limits, rates)
    asking = {ours: Worker([options.bench, options.model, questions, threads, *precision]) for ours, precision in own.items()}
    print("\n%-24s %12s" % ("one question of 12", "p50 ms"))
    for name, worker in list(workers.items()):
        asked = asking.get(name, worker)
        asked.ask("query")
        print("%-24s %12.2f" % (name, statistics.median(asked.ask("query")["p50_ms"] for _ in range(3))))
    for worker in asking.values():
        worker.close()
    ours_at = {}
    for ours, precision in own.items():
        ours_at[ours] = os.path.join(folder, ours + ".f32")
        done = subprocess.run([options.bench, options.model, passages, threads, *precision], input=b"vectors\n", stdout=subprocess.PIPE, check=True).stdout
        with open(ours_at[ours], "wb") as f:
            f.write(done.partition(b"\n")[2])
    paths = [workers[name].ask("vectors")["path"] for name in workers if not name.startswith("qloader")]
    for worker in workers.values():
        worker.close()
    subprocess.run([python, me, "--cosines", *ours_at.values(), *paths], check=True)


def show_limits(options, limits, rates):
    """What products alone would allow, with attention over the sequence counted as products of the same kind."""
    for ours, limit in limits.items():
        per_token = limit["mega_ops_per_token"] * 1e6 + 4 * (options.tokens + 2) * limit["width"] * limit["layers"]
        allowed = limit["matmul_gops"] * 1e9 / per_token
        print("limit of %s: products from the cache (%s) %.0f GOP/s, which is %.0f tokens/s; it reaches %.0f %%" % (
            ours, limit["kernels"], limit["matmul_gops"], allowed, 100 * statistics.median(rates[ours]) / allowed))
    print("of bytes in registers: %.0f GOP/s. Memory: %.1f GB/s a core" % (limits["qloader"]["int8_gops"], limits["qloader"]["read_gbs"]), flush=True)


def cosines(*paths):
    """To float32 of sentence-transformers, or to ours where that was left out."""
    import numpy
    sets = {}
    for path in paths:
        if path.endswith(".f32"):
            sets[os.path.basename(path)[:-4]] = numpy.fromfile(path, dtype=numpy.float32).reshape(-1, 384)
        else:
            sets[os.path.basename(path).split(".")[2]] = numpy.load(path)
    reference = "sentence-transformers" if "sentence-transformers" in sets else "qloader-fp32"
    print("\n%-24s mean and least cosine to %s" % ("vectors", reference))
    for name, vectors in sets.items():
        same = (vectors * sets[reference]).sum(1)
        print("%-24s %.6f %.6f" % (name, same.mean(), same.min()))


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        return work(sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:8])
    if len(sys.argv) > 1 and sys.argv[1] == "--cut":
        return cut(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
    if len(sys.argv) > 1 and sys.argv[1] == "--cosines":
        return cosines(*sys.argv[2:])
    if len(sys.argv) > 1 and sys.argv[1] == "--export":
        from onnxruntime.quantization import QuantType, quantize_dynamic
        export(sys.argv[2], sys.argv[3])
        return quantize_dynamic(sys.argv[3], sys.argv[3] + ".int8", weight_type=QuantType.QInt8, per_channel=True)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("bench")
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=230)
    parser.add_argument("--venv", default="build/bench-peers")
    parser.add_argument("--peers", default=",".join(PEERS))
    options = parser.parse_args()
    python = install(options.venv)
    folder = os.path.join(options.venv, "work")
    os.makedirs(folder, exist_ok=True)
    compare(options, python, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
