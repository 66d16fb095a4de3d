// Starts a server on a free port and a folder of its own. SAGITTA_BIN names the binary; build/sagitta if not set.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const binary = process.env.SAGITTA_BIN ?? fileURLToPath(new URL("../../../build/sagitta", import.meta.url));
const START_TIMEOUT_MS = 60_000;

function freePort() {
    return new Promise((resolve, reject) => {
        const probe = createServer();
        probe.on("error", reject);
        probe.listen(0, "127.0.0.1", () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

export async function startServer() {
    const folder = await mkdtemp(join(tmpdir(), "sagitta-js-"));
    const port = await freePort();
    const child = spawn(binary, [`--service.http_port=${port}`, `--storage.storage_path=${join(folder, "data")}`,
        `--storage.snapshots_path=${join(folder, "snapshots")}`], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    child.stdout.on("data", (part) => { log += part; });
    child.stderr.on("data", (part) => { log += part; });
    const url = `http://127.0.0.1:${port}`;
    const stop = async () => {
        const ended = new Promise((resolve) => { child.once("exit", resolve); });
        if (child.exitCode === null) {
            child.kill("SIGTERM");
            await ended;
        }
        await rm(folder, { recursive: true, force: true });
        if (child.exitCode !== 0) {
            throw new Error(`the server ended with ${child.exitCode}:\n${log.slice(-3000)}`);
        }
    };
    for (const start = Date.now(); Date.now() - start < START_TIMEOUT_MS; await sleep(20)) {
        if (child.exitCode !== null) {
            await rm(folder, { recursive: true, force: true });
            throw new Error(`the server ended with ${child.exitCode}:\n${log}`);
        }
        const ready = await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
        if (ready) {
            return { url, port, stop };
        }
    }
    child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
    throw new Error(`the server was not ready in time:\n${log}`);
}
