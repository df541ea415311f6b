// A reply of the agent in the transcript: its tools, its text as it streams in, and the part that was heard.
//
// All text comes from a plugin, a model or a caller. It is inserted as text, never as markup.

import { element } from "./dom.js";

const HOW_MEASURED = "Measured by the host, from the end of what you said, or from your typed message, to its first sound";
const MAX_ARGUMENT_CHARS = 160; // of a tool's arguments are shown beside its name
const MAX_UNFOLDED_CHARS = 20_000; // and below it

export class ReplyEntry {
  #text = "";
  #tools = element("ul", { className: "tools", hidden: true });
  #spoken = element("span", { className: "spoken" });
  #unheard = element("span", { className: "unheard" });
  #bubble = element("p", { className: "bubble", hidden: true, dir: "auto" }, this.#spoken, this.#unheard);
  #footnote = element("p", { className: "footnote", hidden: true });
  #heard = null;
  #latency = null; // ms
  #chips = []; // { name, given, state, took }: see #addChip

  isGreeting = false;

  element = element("li", { className: "entry agent" }, this.#tools, this.#bubble, this.#footnote);

  constructor(reply) {
    this.reply = reply;
    this.element.dataset.state = "streaming";
  }

  /** The reply's id, or null while only its tools are known. */
  get reply() {
    return this.#reply;
  }

  set reply(reply) {
    this.#reply = reply;
    if (reply !== null) this.element.dataset.reply = reply;
  }

  #reply = null;

  /** Whether its text is complete, or it was cut off. */
  get isOver() {
    return this.element.dataset.state !== "streaming";
  }

  /** The entry as plain data, for `restored`. */
  get saved() {
    return { text: this.#text, heard: this.#heard, latency: this.#latency, tools: this.#chips };
  }

  /** The entry for a file: see export.js. */
  get exported() {
    const tools = this.#chips.map(({ name, given, state, took }) => ({ name, arguments: given, outcome: state, took_ms: took }));
    return { text: this.#text, heard: this.#heard, first_sound_ms: this.#latency, tools };
  }

  /** Recreates a `saved` entry. It no longer belongs to a call. */
  static restored({ text, heard, latency, tools }) {
    const entry = new ReplyEntry(null);
    for (const { name, given, state, took } of tools) entry.#addChip(name, given).mark(state, took);
    entry.finish(text, []);
    if (latency !== null) entry.setLatency(latency);
    if (heard !== null) entry.cut(heard);
    return entry;
  }

  append(delta) {
    this.#setText(this.#text + delta);
  }

  finish(text, steps) {
    this.#setText(text);
    // Early hosts send `steps` instead of tool_call messages.
    if (this.#tools.childElementCount === 0) for (const step of steps) this.#addChip(String(step));
    if (this.#heard === null) this.element.dataset.state = "done";
  }

  /** Adds a chip for a tool call and returns a function that marks its outcome. */
  addTool(name, toolArguments) {
    const chip = this.#addChip(name, toolArguments);
    const began = performance.now();
    chip.mark("running");
    return (ok) => chip.mark(ok ? "ok" : "failed", Math.round(performance.now() - began));
  }

  /** Marks the reply as cut off; `heard` is the part that was heard. */
  cut(heard) {
    this.#heard = heard;
    this.element.dataset.state = "cut";
    this.#render();
  }

  /** Shows how long the caller waited for the first sound, as measured by the host. */
  setLatency(milliseconds) {
    this.#latency = milliseconds;
    this.#render();
  }

  #setText(text) {
    this.#text = text;
    this.#render();
  }

  #render() {
    const cutAt = this.#heard === null ? this.#text.length : endOfHeard(this.#text, this.#heard);
    this.#spoken.textContent = this.#text.slice(0, cutAt ?? this.#text.length);
    this.#unheard.textContent = this.#text.slice(cutAt ?? this.#text.length);
    this.#bubble.hidden = this.#text === "";
    const remarks = [latencyText(this.#latency), this.#cutText(cutAt)].filter((words) => words !== "");
    this.#footnote.textContent = remarks.join(" · ");
    this.#footnote.hidden = remarks.length === 0;
    this.#footnote.title = this.#latency === null ? "" : HOW_MEASURED;
  }

  #cutText(cutAt) {
    if (this.#heard === null) return "";
    if (this.#heard.trim() === "") return "cut off before anything was heard";
    if (cutAt === null) return `cut off, heard: “${this.#heard.trim()}”`;
    return this.#unheard.textContent.trim() ? "cut off, the rest was not heard" : "cut off at the end";
  }

  /** `given`: the arguments, or null if they are not known. */
  #addChip(name, given = null) {
    const head = [element("span", { className: "tool-name", textContent: name })];
    const details = describeArguments(given);
    if (details) {
      const shown = details.length > MAX_ARGUMENT_CHARS ? `${details.slice(0, MAX_ARGUMENT_CHARS)}…` : details;
      head.push(element("span", { className: "arguments", textContent: shown }));
    }
    const outcome = element("span", { className: "outcome" });
    head.push(outcome);
    const chip = element("li", { className: "chip" });
    if (details) {
      const whole = element("pre", { textContent: JSON.stringify(given, null, 2).slice(0, MAX_UNFOLDED_CHARS) });
      chip.append(element("details", {}, element("summary", {}, ...head), whole));
    } else {
      chip.append(...head);
    }
    this.#tools.hidden = false;
    this.#tools.append(chip);
    const saved = { name, given, state: null, took: null };
    this.#chips.push(saved);
    const mark = (state, took = null) => {
      if (state === null) return; // the outcome is unknown
      Object.assign(saved, { state, took });
      chip.dataset.state = state;
      outcome.textContent = took === null ? state : `${state}, ${took} ms`;
    };
    return { mark };
  }
}

function latencyText(milliseconds) {
  if (milliseconds === null) return "";
  const seconds = Math.max(0, milliseconds) / 1000;
  return `first sound after ${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
}

function describeArguments(toolArguments) {
  if (toolArguments === null || typeof toolArguments !== "object") return "";
  return Object.entries(toolArguments)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

/**
 * The index in `text` at which the heard part ends, or null if `text` does not begin with `heard`. Whitespace is ignored,
 * because speech is split into clauses and joined again.
 */
function endOfHeard(text, heard) {
  const wanted = heard.replace(/\s+/g, "");
  let matched = 0;
  for (let index = 0; index < text.length; index += 1) {
    if (matched === wanted.length) return index;
    if (/\s/.test(text[index])) continue;
    if (text[index] !== wanted[matched]) return null;
    matched += 1;
  }
  return matched === wanted.length ? text.length : null;
}
