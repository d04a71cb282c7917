// The seed's nine calls with the official TypeScript SDK.
//   OUTBOUND_URL=… OUTBOUND_KEY=… node typescript_client.mjs MODE STEPS.json TAG
// MODE: v1 (@modelcontextprotocol/sdk), or legacy, auto or a modern version (@modelcontextprotocol/client).
// Copied beside the packages it imports before it runs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [mode, stepsFile, tag] = process.argv.slice(2);
const url = new URL(process.env.OUTBOUND_URL.replace(/\/$/, "") + "/api/mcp");
const requestInit = { headers: { Authorization: `Bearer ${process.env.OUTBOUND_KEY}` } };
const name = { name: "outbound-check", version: "1.0.0" };

async function connected() {
  if (mode === "v1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const client = new Client(name);
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
    return client;
  }
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const negotiation = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  const client = new Client(name, { versionNegotiation: { mode: negotiation } });
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  return client;
}

const lookedUp = (path, known) => path.split(".").reduce((found, part) => found[part], known);

function filled(value, known) {
  if (typeof value === "string") return value.replace(/\$\{([^}]+)\}/g, (_, path) => lookedUp(path, known));
  if (Array.isArray(value)) return value.map((each) => filled(each, known));
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, known)]));
  return value;
}

// What the tool answers; where the step says until when, asked again until it is so.
async function answer(step, args) {
  for (let poll = 0; poll < 60; poll++) {
    const result = await client.callTool({ name: step.tool, arguments: args });
    assert.ok(!result.isError, `${step.tool}: ${result.content[0].text}`);
    const shown = result.structuredContent;
    if (!step.until || lookedUp(step.until.path, shown) === step.until.is) return shown;
    await new Promise((done) => setTimeout(done, 1000));
  }
  assert.fail(`${step.tool} did not come to ${JSON.stringify(step.until)}`);
}

const client = await connected();
const { tools } = await client.listTools();
assert.equal(tools.length, 24, tools.map((tool) => tool.name).join(" "));
const steps = JSON.parse(readFileSync(stepsFile, "utf8"));
const known = { tag };
for (const step of steps) {
  known[step.tool] = await answer(step, filled(step.arguments, known));
}
const wrong = await client.callTool({ name: "create_group", arguments: { nam: "x" } });
assert.ok(wrong.isError);
assert.match(wrong.content[0].text, /Did you mean 'name'\?/);
await client.close();
console.log(`ok: typescript, ${mode}, ${steps.length} calls, ${tools.length} tools`);
