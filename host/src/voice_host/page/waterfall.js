// The latency of each reply as a waterfall: how long each step took, from the end of the caller's turn to the first sound.

import { element } from "./dom.js";

const MAX_REPLIES = 50; // kept on the page; the oldest are removed
const SLOWEST_SHARE = 0.4; // a step that takes more of the whole is marked

/** The steps, each from one stage of `metrics` to another. */
const STEPS = [
  { label: "Recognition", from: "speech_end", to: "transcript_final" },
  { label: "Request", from: "transcript_final", to: "model_request" },
  { label: "Model", from: "model_request", to: "first_token" },
  { label: "First words", from: "first_token", to: "first_clause" },
  { label: "Voice", from: "first_clause", to: "first_audio_in" },
  { label: "Sending", from: "first_audio_in", to: "first_audio_out" },
];

export class Waterfall {
  #list;
  #summary;
  #empty;
  #waits = []; // ms, of the replies shown, newest first

  /** `list` is an <ol> that shows the newest reply first; `summary` and `empty` are elements. */
  constructor({ list, summary, empty }) {
    this.#list = list;
    this.#summary = summary;
    this.#empty = empty;
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  add(reply, stages) {
    const answers = stages.model_request !== undefined;
    const wait = stages.first_audio_out ?? null;
    this.#list.prepend(replyItem(reply, stages, answers));
    this.#waits.unshift(answers ? wait : null);
    while (this.#list.childElementCount > MAX_REPLIES) {
      this.#list.lastChild.remove();
      this.#waits.pop();
    }
    this.#show();
  }

  clear() {
    this.#list.replaceChildren();
    this.#waits = [];
    this.#show();
  }

  #show() {
    const waits = this.#waits.filter((wait) => wait !== null).sort((a, b) => a - b);
    this.#empty.hidden = !this.isEmpty;
    this.#summary.hidden = waits.length < 2;
    if (waits.length < 2) return;
    const middle = (waits.length - 1) / 2;
    const median = (waits[Math.floor(middle)] + waits[Math.ceil(middle)]) / 2;
    this.#summary.textContent = `First sound of ${waits.length} replies: median ${ms(median)}, slowest ${ms(waits.at(-1))}`;
  }
}

/**
 * The steps of a reply, `{ label, from, to }` in ms. They overlap where the model began before the turn had ended. Steps
 * between stages that were not reached are left out.
 */
export function stepsOf(stages) {
  const known = STEPS.map(({ label, from, to }) => ({ label, from: stages[from], to: stages[to] }));
  return known.filter(({ from, to }) => from !== undefined && to !== undefined && to >= from);
}

function replyItem(reply, stages, answers) {
  const wait = stages.first_audio_out;
  const title = answers ? `Reply ${reply}` : `Reply ${reply} (unprompted)`;
  const sound = wait === undefined ? "no sound" : `first sound after ${ms(wait)}`;
  return element(
    "li",
    { className: "waterfall" },
    element("h4", {}, element("span", { textContent: title }), element("span", { className: "sum", textContent: sound })),
    chart(stepsOf(stages)),
    element("p", { className: "hint", textContent: remarks(stages) }),
  );
}

function chart(steps) {
  const begin = Math.min(0, ...steps.map(({ from }) => from));
  const end = Math.max(1, ...steps.map(({ to }) => to));
  const share = (value) => `${(100 * (value - begin)) / (end - begin)}%`;
  const slowest = Math.max(0, ...steps.map(({ from, to }) => to - from));
  const rows = steps.map(({ label, from, to }) => {
    const bar = element("span", { className: "bar-of-step", ariaHidden: "true" });
    bar.style.setProperty("--from", share(from));
    bar.style.setProperty("--to", share(to));
    const row = element(
      "tr",
      {},
      element("th", { scope: "row", textContent: label }),
      element("td", { className: "track" }, bar),
      element("td", { className: "took", textContent: ms(to - from) }),
    );
    if (to - from === slowest && slowest > SLOWEST_SHARE * (end - begin)) row.className = "slowest";
    return row;
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function remarks({ first_audio_out: began, audible_end: ended, barge_in_to_silence: silent, ...stages }) {
  const said = [];
  if (stages.transcript_final < 0 || stages.first_token < 0) said.push("the model began before the turn had ended");
  if (began !== undefined && ended !== undefined) said.push(`spoke for ${((ended - began) / 1000).toFixed(1)} s`);
  if (silent !== undefined) said.push(`silent ${ms(silent)} after the caller began to speak`);
  return said.join(" · ");
}

function ms(milliseconds) {
  return `${Math.round(milliseconds)} ms`;
}
