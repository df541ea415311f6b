// The events of a call, with their times: what the host sent, what the page sent, and what happened to the devices.

import { Following } from "../widget/following.js";
import { element } from "./dom.js";

const MAX_EVENTS = 400; // kept; the oldest are removed
const MAX_SUMMARY_CHARS = 90;
const MAX_DETAIL_CHARS = 20_000;
const FREQUENT = new Set(["reply_delta", "transcript"]); // several in a row are one entry

export class EventLog {
  #list;
  #empty;
  #following;
  #began = null; // when the call began, in ms
  #events = []; // { at, from, type, detail, count, item }

  constructor({ list, empty }) {
    this.#list = list;
    this.#empty = empty;
    this.#following = new Following(list.parentElement, list);
  }

  /** The events as plain data, oldest first. */
  get saved() {
    return this.#events.map(({ at, from, type, detail, count }) => ({ at_ms: Math.round(at), from, type, count, detail }));
  }

  /** A call begins: times count from now. */
  begin() {
    this.#began = performance.now();
    this.#events = [];
    this.#following.restart();
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }

  /** `from`: "host", "page" or "browser". `detail` is plain data without secrets. */
  add(from, type, detail = {}) {
    if (this.#began === null) return;
    const at = performance.now() - this.#began;
    const last = this.#events.at(-1);
    if (last?.type === type && FREQUENT.has(type) && last.detail.reply === detail.reply) {
      Object.assign(last, { detail: merged(type, last.detail, detail), count: last.count + 1 });
      const isUnfolded = last.item.firstChild.open;
      last.item.replaceChildren(...contents(last));
      last.item.firstChild.open = isUnfolded;
      this.#following.follow();
      return;
    }
    const entry = { at, from, type, detail, count: 1, item: element("li", { className: `event ${from}` }) };
    entry.item.append(...contents(entry));
    this.#events.push(entry);
    this.#empty.hidden = true;
    this.#list.append(entry.item);
    while (this.#events.length > MAX_EVENTS) this.#events.shift().item.remove();
    this.#following.follow();
  }
}

/** Pieces of text are joined; a partial transcript replaces the one before. */
function merged(type, before, detail) {
  return type === "reply_delta" ? { ...detail, text: (before.text ?? "") + (detail.text ?? "") } : detail;
}

function contents({ at, from, type, detail, count }) {
  const head = [
    element("span", { className: "at", textContent: `${(at / 1000).toFixed(2)} s` }),
    element("span", { className: "type", textContent: count > 1 ? `${type} ×${count}` : type }),
    element("span", { className: "summary", dir: "auto", textContent: summaryOf(detail) }),
  ];
  if (from !== "host") head.splice(1, 0, element("span", { className: "from", textContent: from }));
  if (Object.keys(detail).length === 0) return head;
  const text = JSON.stringify(detail, null, 2).slice(0, MAX_DETAIL_CHARS);
  return [element("details", {}, element("summary", {}, ...head), element("pre", { textContent: text }))];
}

/** What matters most in one line: ids are long, and say nothing to a reader. */
function summaryOf({ id, ...detail }) {
  const words = Object.entries(detail).map(([name, value]) => {
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    return name === "text" || name === "message" ? shown : `${name}: ${shown}`;
  });
  const line = words.join(" · ");
  return line.length > MAX_SUMMARY_CHARS ? `${line.slice(0, MAX_SUMMARY_CHARS)}…` : line;
}
