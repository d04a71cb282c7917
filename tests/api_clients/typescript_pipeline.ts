// Import → group → variable → sequence → run → report, with openapi-fetch and the types made from our document.
// OUTBOUND_URL and OUTBOUND_KEY (a test key) say where. Prints "ok: …" at the end.

import createClient from "openapi-fetch";
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { components, paths } from "./schema.d.ts";

type Failure = components["schemas"]["ErrorOutput"];
type Run = components["schemas"]["RunDetailOutput"];

const tag = process.env.OUTBOUND_TAG!;
const api = createClient<paths>({
  baseUrl: process.env.OUTBOUND_URL!,
  headers: { Authorization: `Bearer ${process.env.OUTBOUND_KEY}` },
});
const leads = [
  "email,first_name,company_name",
  `ok+jo-${tag}@sandbox.test,Jo,Acme`,
  `ok+ana-${tag}@sandbox.test,Ana,Birch`,
  `bounce+bo-${tag}@sandbox.test,Bo,Cedar`,
  "not an address,No,One",
].join("\n");

function fine<T>(answer: { data?: { data: T }; error?: Failure }): T {
  if (answer.data === undefined) throw new Error(answer.error?.error ?? "an answer that the document does not name");
  return answer.data.data;
}

async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 120; tries++) {
    const answer = await ask();
    if (done(answer)) return answer;
    await sleep(1000); // three requests a turn stay below the limit of 60 in ten seconds
  }
  throw new Error("not within two minutes");
}

const begun = fine(
  await api.POST("/api/v1/imports", {
    params: { query: { filename: "leads.csv", groups: `Agencies ${tag}` } },
    headers: { "Content-Type": "text/csv" },
    body: leads,
    bodySerializer: (text) => text,
  }),
);
const imported = await until(
  async () => fine(await api.GET("/api/v1/imports/{id}", { params: { path: { id: begun.id } } })),
  (found) => found.finished_at !== null,
);
assert.deepEqual([imported.created, imported.rejected], [3, 1]);

const group = fine(await api.GET("/api/v1/groups")).find((found) => found.name === `Agencies ${tag}`);
assert.equal(group?.leads_count, 3);

const name = `opening_${tag}`;
fine(await api.POST("/api/v1/variables", { body: { name, prompt_template: "One sentence about {{company_name}}." } }));
const variable = { params: { path: { name } } };
fine(await api.POST("/api/v1/variables/{name}/generate", { ...variable, body: { group_id: group.id } }));
await until(
  async () => fine(await api.GET("/api/v1/variables/{name}", variable)),
  (found) => found.pct === 100,
);

const sequence = fine(
  await api.POST("/api/v1/sequences", {
    body: {
      name: `Hello ${tag}`,
      steps: [
        { subject: "Hello {{first_name}}", body_html: `<p>{{${name}}} How is {{company_name}}?</p>` },
        { subject: "Once more", body_html: "<p>Did you see this, {{first_name}}?</p>", delay_days: 2 },
      ],
    },
  }),
);
const shown = fine(
  await api.POST("/api/v1/sequences/{id}/preview", { params: { path: { id: sequence.id } }, body: {} }),
);
assert.match(shown.subject, /^Hello /);

const run = fine(
  await api.POST("/api/v1/runs", {
    body: { sequence_id: sequence.id, group_id: group.id, sender_email: "hi@sandbox.test" },
  }),
);

// The run, after its test workspace's clock was turned to the next mail's time.
async function turned(): Promise<Run> {
  const found = fine(await api.GET("/api/v1/runs/{id}", { params: { path: { id: run.id } } }));
  const { now } = fine(await api.GET("/api/v1/sandbox/clock"));
  if (found.next_send_at !== null && found.next_send_at > now)
    fine(await api.POST("/api/v1/sandbox/clock", { body: { to: found.next_send_at } }));
  return found;
}

const done = await until(turned, (found) => found.status !== "running");
const report = fine(await api.GET("/api/v1/campaigns/{id}/report", { params: { path: { id: run.id } } }));
assert.deepEqual([done.status, report.total_leads, report.emails_sent], ["completed", 3, 5]);
assert.equal(report.lead_status_breakdown.bounced, 1);

const refused = await api.GET("/api/v1/runs/{id}", { params: { path: { id: "no-such-run" } } });
assert.equal(refused.error?.code, "not_found");
console.log(`ok: ${report.emails_sent} mails, reply rate ${report.reply_rate}`);
