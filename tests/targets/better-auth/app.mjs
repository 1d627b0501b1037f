// Better Auth's SCIM plugin behind Node's own server, for the tests. Ours is only the setup, with its adapter that
// keeps everything in memory.
//
// Prints `port N` once it listens, on a port that the system picks, and ends with standard input, so that
// it cannot outlive the test that started it. The token is taken from the environment variable TOKEN.

import { createServer } from "node:http";
import { scim } from "@better-auth/scim";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { getAuthTables } from "better-auth/db";
import { toNodeHandler } from "better-auth/node";

const credentials = [{ type: "bearer", id: "test", token: process.env.TOKEN }];
const options = {
  baseURL: "http://127.0.0.1",
  logger: { level: "error" },
  plugins: [scim({ connections: [{ id: "entra", credentials }] })],
  rateLimit: { enabled: false },
  secret: "of no use anywhere else, but long enough",
  telemetry: { enabled: false },
};
const tables = Object.values(getAuthTables(options)).map(({ modelName }) => [modelName, []]);
const database = memoryAdapter(Object.fromEntries(tables));
const server = createServer(toNodeHandler(betterAuth({ ...options, database })));
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
