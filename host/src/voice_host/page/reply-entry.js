// One reply of the agent in the transcript: its tools, its text as it streams in, and what of it was heard.
//
// Every word here comes from a plugin, a model or a caller: it is put in as text, never as markup.

import { element } from "./dom.js";

const LONGEST_ARGUMENTS = 160; // characters shown of a tool's arguments

export class ReplyEntry {
  #text = "";
  #tools = element("ul", { className: "tools", hidden: true });
  #spoken = element("span", { className: "spoken" });
  #unheard = element("span", { className: "unheard" });
  #bubble = element("p", { className: "bubble", hidden: true, dir: "auto" }, this.#spoken, this.#unheard);
  #footnote = element("p", { className: "footnote", hidden: true });
  #heard = null;

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

  /** Whether its whole text is known, or it was cut. */
  get isOver() {
    return this.element.dataset.state !== "streaming";
  }

  append(delta) {
    this.#setText(this.#text + delta);
  }

  finish(text, steps) {
    this.#setText(text);
    // `steps` is what a host of the first protocol says instead of tool_call messages.
    if (this.#tools.childElementCount === 0) for (const step of steps) this.#addChip(String(step));
    if (this.#heard === null) this.element.dataset.state = "done";
  }

  /** Adds a tool's chip and returns a function that marks how it went. */
  addTool(name, toolArguments) {
    const chip = this.#addChip(name, describeArguments(toolArguments));
    chip.dataset.state = "running";
    const outcome = chip.appendChild(element("span", { className: "outcome", textContent: "running" }));
    return (ok) => {
      chip.dataset.state = ok ? "ok" : "failed";
      outcome.textContent = ok ? "ok" : "failed";
    };
  }

  /** Marks the reply as cut; `heard` is the part that was audible. */
  cut(heard) {
    this.#heard = heard;
    this.element.dataset.state = "cut";
    this.#render();
  }

  setLatency(milliseconds) {
    if (this.#heard !== null) return;
    this.#setFootnote(`first sound after ${(milliseconds / 1000).toFixed(1)} s`);
    this.#footnote.title = "From the end of your turn to the agent’s first sound on this machine";
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
    if (this.#heard === null) return;
    if (this.#heard.trim() === "") this.#setFootnote("cut off before anything was heard");
    else if (cutAt === null) this.#setFootnote(`cut off, heard: “${this.#heard.trim()}”`);
    else this.#setFootnote(this.#unheard.textContent.trim() ? "cut off, the rest was not heard" : "cut off at the end");
  }

  #setFootnote(text) {
    this.#footnote.textContent = text;
    this.#footnote.hidden = false;
  }

  #addChip(name, details = "") {
    const chip = element("li", { className: "chip" }, element("span", { className: "tool-name", textContent: name }));
    if (details) {
      const shown = details.length > LONGEST_ARGUMENTS ? `${details.slice(0, LONGEST_ARGUMENTS)}…` : details;
      chip.append(element("span", { className: "arguments", textContent: shown, title: details }));
    }
    this.#tools.hidden = false;
    return this.#tools.appendChild(chip);
  }
}

function describeArguments(toolArguments) {
  if (toolArguments === null || typeof toolArguments !== "object") return "";
  return Object.entries(toolArguments)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

/**
 * Where in `text` the heard part ends, or null if `heard` is not its beginning. Spaces do not count: the text that is
 * spoken is cut into clauses and put together again.
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
