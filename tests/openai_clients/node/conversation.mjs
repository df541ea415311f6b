// A whole conversation by OpenAI's client for JavaScript: it talks over the greeting, hears the answer, types a question.
//
// Argument: JSON with `url`, `apiKey` and `speech`, a file of PCM16 at 24 kHz. Prints what happened as JSON.

import { readFileSync } from "node:fs";
import { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

const FRAME_MS = 20;
const FRAME_BYTES = (24_000 * 2 * FRAME_MS) / 1000;
const PATIENCE_MS = 50_000;

const { url, apiKey, speech } = JSON.parse(process.argv[2]);
const report = { sent: [], received: [], errors: [], audioBytes: {}, interruptions: 0, greeting: null, truncated: null };

const session = new RealtimeSession(new RealtimeAgent({ name: "Caller", instructions: "Ignored." }), {
  transport: "websocket",
  model: "front-desk",
});
const waiting = new Set();

session.on("error", ({ error }) => report.errors.push(error?.error?.error ?? error?.error ?? String(error)));
session.on("audio_interrupted", () => (report.interruptions += 1));
session.on("audio", ({ responseId, data }) => {
  report.audioBytes[responseId] = (report.audioBytes[responseId] ?? 0) + data.byteLength;
});
session.on("transport_event", (event) => {
  report.received.push(event);
  for (const check of waiting) check();
});
session.on("history_updated", () => {
  for (const check of waiting) check();
});

/** Resolve with the first truthy result of `look`, which is called whenever something has happened. */
function until(what, look) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(timer);
      waiting.delete(check);
      settle(value);
    };
    const check = () => {
      const found = look();
      if (found) finish(resolve, found);
    };
    const timer = setTimeout(() => finish(reject, new Error(`waited in vain for ${what}`)), PATIENCE_MS);
    waiting.add(check);
    check();
  });
}

const received = (type, fits = () => true) => report.received.find((event) => event.type === type && fits(event));
const textOf = (item) => item.content.map((part) => part.transcript ?? part.text ?? "").join("");
const said = (role) => session.history.filter((item) => item.type === "message" && item.role === role);
const finished = (response) => received("response.done", (event) => event.response.id === response.id);

/** A microphone: what `say` gives it, and silence otherwise, in real time. */
const microphone = {
  queue: Buffer.alloc(0),
  say(pcm) {
    this.queue = Buffer.concat([this.queue, pcm]);
  },
  start() {
    let sent = 0;
    const begun = performance.now();
    this.timer = setInterval(() => {
      for (; sent * FRAME_MS <= performance.now() - begun; sent += 1) {
        const frame = Buffer.alloc(FRAME_BYTES);
        this.queue.copy(frame);
        this.queue = this.queue.subarray(FRAME_BYTES);
        session.sendAudio(frame.buffer.slice(frame.byteOffset, frame.byteOffset + FRAME_BYTES));
      }
    }, FRAME_MS);
  },
};

async function converse() {
  await session.connect({ apiKey, url });
  microphone.start();

  const greeting = await until("the greeting", () => received("response.created"));
  const spoken = await until("speech", () => received("response.output_audio.delta"));
  microphone.say(readFileSync(speech));
  report.truncated = await until("the truncation", () => received("conversation.item.truncated"));
  report.cut = await until("the end of the greeting", () => finished(greeting.response));
  const heard = (event) => event.item.id === spoken.item_id;
  report.greeting = (await until("the heard text", () => received("conversation.item.retrieved", heard))).item;

  report.question = await until("the transcript", () => said("user").map(textOf).find(Boolean));
  const other = (event) => event.response.id !== greeting.response.id;
  const answer = await until("an answer", () => received("response.created", other));
  report.answer = await until("the end of the answer", () => finished(answer.response));

  session.sendMessage("What time do you open on Friday?");
  const third = (event) => other(event) && event.response.id !== answer.response.id;
  const typed = await until("an answer to the typed question", () => received("response.created", third));
  report.typedAnswer = await until("its end", () => finished(typed.response));
  report.history = session.history.map((item) => ({ role: item.role, status: item.status, text: textOf(item) }));
  report.usage = session.usage;
}

try {
  await converse();
} catch (error) {
  report.failure = String(error?.message ?? error);
} finally {
  clearInterval(microphone.timer);
  session.close();
}
for (const event of report.received) delete event.delta;
process.stdout.write(JSON.stringify(report));
