// The server through the public JavaScript client: create, upsert, query, filter, scroll, delete, errors.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { QdrantClient } from "@qdrant/js-client-rest";

import { startServer } from "./server.mjs";

let server, client;

before(async () => {
    server = await startServer();
    client = new QdrantClient({ url: server.url });
});
after(() => server?.stop());

async function fresh(name, config = { vectors: { size: 3, distance: "Cosine" } }) {
    assert.equal(await client.createCollection(name, config), true);
    return name;
}

async function statusOf(promise) {
    try {
        await promise;
    } catch (fault) {
        return [fault.status, fault.data?.status?.error ?? String(fault)];
    }
    return [200, ""];
}

test("the client accepts the server's version", async () => {
    const root = await client.versionInfo();
    assert.match(root.version, /^1\.19\./);
});

test("collections: create, exists, list, info, update, delete", async () => {
    const name = await fresh("life", { vectors: { size: 4, distance: "Dot" }, hnsw_config: { m: 8 } });
    assert.deepEqual(await client.collectionExists(name), { exists: true });
    assert.ok((await client.getCollections()).collections.some((c) => c.name === name));
    await client.updateCollection(name, { optimizers_config: { indexing_threshold: 77 } });
    const info = await client.getCollection(name);
    assert.equal(info.config.hnsw_config.m, 8);
    assert.equal(info.config.optimizer_config.indexing_threshold, 77);
    assert.equal(info.config.params.vectors.size, 4);
    assert.equal(await client.deleteCollection(name), true);
    assert.deepEqual(await client.collectionExists(name), { exists: false });
    assert.equal(await client.deleteCollection(name), false);
});

test("points: upsert, retrieve, count, delete", async () => {
    const name = await fresh("points");
    const id = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26";
    const done = await client.upsert(name, { wait: true, points: [
        { id: 1, vector: [0.1, 0.2, 0.3], payload: { city: "Berlin", tags: ["a", "b"] } },
        { id, vector: [0.4, 0.5, 0.6], payload: { city: "Paris", nested: { n: 1.5, z: null } } }] });
    assert.equal(done.status, "completed");
    await client.upsert(name, { wait: true, batch: { ids: [2, 3], vectors: [[1, 0, 0], [0, 1, 0]], payloads: [{ city: "Rome" }, {}] } });
    const points = await client.retrieve(name, { ids: [1, id, 99], with_vector: true });
    assert.deepEqual(new Set(points.map((p) => p.id)), new Set([1, id]));
    assert.deepEqual(points.find((p) => p.id === id).payload, { city: "Paris", nested: { n: 1.5, z: null } });
    assert.equal((await client.count(name, { exact: true })).count, 4);
    await client.delete(name, { wait: true, points: [2] });
    await client.delete(name, { wait: true, filter: { must: [{ key: "city", match: { value: "Paris" } }] } });
    assert.deepEqual((await client.scroll(name)).points.map((p) => p.id), [1, 3]);
});

test("query: nearest, filters, threshold, pages, batch", async () => {
    const name = await fresh("query", { vectors: { size: 2, distance: "Euclid" } });
    await client.upsert(name, { wait: true, points: Array.from({ length: 50 }, (_, i) => (
        { id: i, vector: [i, 0], payload: { even: i % 2 === 0, n: i } })) });
    const ids = (answer) => answer.points.map((p) => p.id);
    assert.deepEqual(ids(await client.query(name, { query: [10.2, 0], limit: 4 })), [10, 11, 9, 12]);
    const filter = { must: [{ key: "even", match: { value: true } }, { key: "n", range: { gte: 20 } }] };
    assert.deepEqual(ids(await client.query(name, { query: [0, 0], limit: 3, filter })), [20, 22, 24]);
    assert.deepEqual(ids(await client.query(name, { query: [0, 0], limit: 3, offset: 5 })), [5, 6, 7]);
    assert.deepEqual(ids(await client.query(name, { query: [0, 0], score_threshold: 2.5 })), [0, 1, 2]);
    const hit = (await client.query(name, { query: [3, 4], filter: { must: [{ has_id: [3] }] }, with_payload: true, with_vector: true })).points[0];
    assert.equal(hit.score, 4);
    assert.deepEqual(hit.vector, [3, 0]);
    assert.deepEqual(hit.payload, { even: false, n: 3 });
    const answers = await client.queryBatch(name, { searches: [{ query: [0, 0], limit: 1 }, { query: [49, 0], limit: 1 }] });
    assert.deepEqual(answers.map(ids), [[0], [49]]);
});

test("scroll: pages to the end", async () => {
    const name = await fresh("scroll", { vectors: { size: 1, distance: "Dot" } });
    await client.upsert(name, { wait: true, points: Array.from({ length: 25 }, (_, i) => ({ id: i * 2, vector: [1] })) });
    const seen = [];
    let offset;
    do {
        const page = await client.scroll(name, { limit: 7, offset });
        seen.push(...page.points.map((p) => p.id));
        offset = page.next_page_offset ?? undefined;
    } while (offset !== undefined);
    assert.deepEqual(seen, Array.from({ length: 25 }, (_, i) => i * 2));
});

test("order_by, facets, groups, distance matrices", async () => {
    const name = await fresh("grouped", { vectors: { size: 1, distance: "Euclid" } });
    const made = ["red", "blue", "red", ["red", "blue"], "green"];
    await client.upsert(name, { wait: true, points: made.map((color, i) => (
        { id: i + 1, vector: [i + 1], payload: { color, n: [10 - i, 0] } })) });
    const rows = (points) => points.map((p) => [p.id, p.order_value]);
    assert.deepEqual(rows((await client.scroll(name, { limit: 2, order_by: { key: "n", direction: "desc" } })).points), [[1, 10], [2, 9]]);
    assert.deepEqual(rows((await client.query(name, { query: { order_by: "n" }, limit: 6 })).points), [[1, 0], [2, 0], [3, 0], [4, 0], [5, 0], [5, 6]]);
    const { hits } = await client.facet(name, { key: "color", filter: { must_not: [{ has_id: [5] }] } });
    assert.deepEqual(hits, [{ value: "red", count: 3 }, { value: "blue", count: 2 }]);
    const { groups } = await client.queryGroups(name, { query: [0], group_by: "color", limit: 2, group_size: 2, with_payload: ["color"] });
    assert.deepEqual(groups.map((g) => [g.id, g.hits.map((h) => h.id)]), [["red", [1, 3]], ["blue", [2, 4]]]);
    assert.deepEqual(groups[0].hits[0].payload, { color: "red" });
    const { pairs } = await client.searchMatrixPairs(name, { sample: 5, limit: 1 });
    assert.deepEqual(pairs.map((p) => [p.a, p.b, p.score]), [[1, 2, 1], [2, 1, 1], [3, 2, 1], [4, 3, 1], [5, 4, 1]]);
    const matrix = await client.searchMatrixOffsets(name, { sample: 5, limit: 1 });
    assert.deepEqual(matrix, { offsets_row: [0, 1, 2, 3, 4], offsets_col: [1, 0, 1, 2, 3], scores: [1, 1, 1, 1, 1], ids: [1, 2, 3, 4, 5] });
});

test("payload and vectors: set, overwrite, delete, clear, update", async () => {
    const name = await fresh("payload", { vectors: { a: { size: 1, distance: "Dot" }, b: { size: 1, distance: "Dot" } } });
    await client.upsert(name, { wait: true, points: [{ id: 1, vector: { a: [1], b: [2] }, payload: { x: 1, y: { z: 2 } } }] });
    const read = async () => (await client.retrieve(name, { ids: [1], with_vector: true }))[0];
    await client.setPayload(name, { wait: true, payload: { w: 3 }, points: [1], key: "y" });
    assert.deepEqual((await read()).payload, { x: 1, y: { z: 2, w: 3 } });
    await client.deletePayload(name, { wait: true, keys: ["y"], points: [1] });
    assert.deepEqual((await read()).payload, { x: 1 });
    await client.overwritePayload(name, { wait: true, payload: { only: true }, points: [1] });
    assert.deepEqual((await read()).payload, { only: true });
    await client.clearPayload(name, { wait: true, points: [1] });
    assert.deepEqual((await read()).payload, {});
    await client.updateVectors(name, { wait: true, points: [{ id: 1, vector: { b: [9] } }] });
    assert.deepEqual((await read()).vector, { a: [1], b: [9] });
    await client.deleteVectors(name, { wait: true, points: [1], vector: ["a"] });
    assert.deepEqual((await read()).vector, { b: [9] });
    const results = await client.batchUpdate(name, { wait: true, operations: [
        { upsert: { points: [{ id: 5, vector: { a: [5] } }] } }, { set_payload: { payload: { k: 1 }, points: [5] } }] });
    assert.deepEqual(results.map((r) => r.status), ["completed", "completed"]);
    assert.deepEqual((await client.retrieve(name, { ids: [5] }))[0].payload, { k: 1 });
});

test("aliases", async () => {
    const name = await fresh("aliased");
    await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: name, alias_name: "other" } }] });
    assert.deepEqual((await client.getCollectionAliases(name)).aliases, [{ alias_name: "other", collection_name: name }]);
    assert.equal((await client.count("other")).count, 0);
    await client.updateCollectionAliases({ actions: [{ delete_alias: { alias_name: "other" } }] });
    assert.equal((await statusOf(client.count("other")))[0], 404);
});

test("errors: status and text reach the caller", async () => {
    const name = await fresh("errors");
    const cases = [
        [() => client.getCollection("absent"), 404, /Not found: Collection absent not found/],
        [() => client.createCollection(name, { vectors: { size: 3, distance: "Dot" } }), 409, /already exists/],
        [() => client.createCollection("bad", { vectors: { size: 0, distance: "Dot" } }), 422, /must be from 1 to 65536/],
        [() => client.upsert(name, { points: [{ id: 1, vector: [1, 2] }] }), 400, /expected dim: 3, got 2/],
        [() => client.upsert(name, { points: [{ id: "x", vector: [1, 2, 3] }] }), 400, /x/],
        [() => client.query(name, { query: [1, 2] }), 400, /expected dim: 3, got 2/],
        [() => client.query(name, { query: [1, 2, 3], using: "zz" }), 400, /Not existing vector name error: zz/],
        [() => client.scroll(name, { limit: 0 }), 422, /limit/]];
    for (const [call, status, text] of cases) {
        const [got, message] = await statusOf(call());
        assert.equal(got, status, message);
        assert.match(message, text);
    }
    assert.equal((await client.count(name)).count, 0);
});

test("many requests at once over one client", async () => {
    const name = await fresh("parallel");
    await Promise.all(Array.from({ length: 200 }, (_, i) =>
        client.upsert(name, { wait: true, points: [{ id: i, vector: [i + 1, 1, 1] }] })));
    assert.equal((await client.count(name, { exact: true })).count, 200);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => client.retrieve(name, { ids: [i] })));
    assert.ok(answers.every((a, i) => a[0].id === i));
});
