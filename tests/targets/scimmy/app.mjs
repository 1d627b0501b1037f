// SCIMMY and SCIMMY Routers on express, for the tests. Ours is only the shelf that they keep resources
// on; every answer's shape, the filters, the paging and the PATCH semantics are theirs.
//
// Prints `port N` once it listens, on a port that the system picks, and ends with standard input, so that
// it cannot outlive the test that started it. The token is taken from the environment variable TOKEN.

import { randomUUID } from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

/** Resources of one type by id; no two of them share the value of `nameAttribute`, ignoring case. */
class Shelf {
  #resources = new Map();
  #idsByName = new Map();

  constructor(nameAttribute) {
    this.nameAttribute = nameAttribute;
  }

  #nameOf(resource) {
    return String(resource[this.nameAttribute] ?? "").toLowerCase();
  }

  find(id) {
    const found = this.#resources.get(id);
    if (!found) throw new SCIMMY.Types.Error(404, null, `no resource with id ${id}`);
    return found;
  }

  list(filter) {
    const everything = Array.from(this.#resources.values());
    return filter ? filter.match(everything) : everything;
  }

  put(id, attributes) {
    const before = id === undefined ? undefined : this.find(id);
    const name = this.#nameOf(attributes);
    const owner = this.#idsByName.get(name);
    if (owner !== undefined && owner !== id) {
      throw new SCIMMY.Types.Error(409, "uniqueness", `another resource has this ${this.nameAttribute}`);
    }
    const lastModified = new Date().toISOString();
    const created = before ? before.meta.created : lastModified;
    const after = { ...attributes, id: id ?? randomUUID(), meta: { created, lastModified } };
    if (before) this.#idsByName.delete(this.#nameOf(before));
    this.#idsByName.set(name, after.id);
    this.#resources.set(after.id, after);
    return after;
  }

  remove(id) {
    this.#idsByName.delete(this.#nameOf(this.find(id)));
    this.#resources.delete(id);
  }
}

function serve(type, shelf) {
  SCIMMY.Resources.declare(type)
    // What arrives is an object with live getters; a copy through JSON is what a database would keep.
    .ingress(({ id }, incoming) => shelf.put(id, JSON.parse(JSON.stringify(incoming))))
    .egress(({ id, filter }) => (id ? shelf.find(id) : shelf.list(filter)))
    .degress(({ id }) => shelf.remove(id));
}

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
serve(SCIMMY.Resources.User, new Shelf("userName"));
serve(SCIMMY.Resources.Group, new Shelf("displayName"));
SCIMMY.Config.set({ patch: true, filter: true, bulk: true, sort: true, changePassword: false });

const expected = `Bearer ${process.env.TOKEN}`;
const app = express();
app.use("/scim/v2", new SCIMMYRouters({
  type: "bearer",
  handler: (request) => {
    if (request.get("authorization") !== expected) throw new Error("the bearer token is missing or wrong");
    return "";
  },
}));

const listener = app.listen(0, "127.0.0.1", () => console.log(`port ${listener.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
