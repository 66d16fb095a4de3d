// Starts a server for the demo, on a free port and a folder of its own that is removed at the end.
export { startServer } from "../tests/api/js/server.mjs";
