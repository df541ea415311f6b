// What was said in a call: bubbles of both sides. All text comes from a person or a model and is inserted as text.

import { element } from "./dom.js";
import { Following } from "./following.js";

const MAX_ENTRIES = 200; // the oldest are removed
const MAX_ANNOUNCEMENTS = 4; // kept in the live region
const MAX_UNCONFIRMED = 20; // typed turns that the host has not confirmed; the oldest are forgotten

export class Log {
  #list;
  #announcer;
  #texts;
  #following;
  #partial = null; // the entry of what is being recognised
  #lastUser = null; // { entry, text } of the last turn, until a reply begins
  #typed = []; // { entry, text } of typed turns that the host has not confirmed, oldest first
  #replies = new Map(); // number -> entry

  /** `list` is an <ol> in the element `scroller`. `announcer` is a live region, which gets whole turns and replies. `texts()` returns the widget's words. */
  constructor(scroller, list, announcer, texts) {
    this.#list = list;
    this.#announcer = announcer;
    this.#texts = texts;
    this.#following = new Following(scroller, list);
  }

  clear() {
    this.#following.restart();
    this.#list.replaceChildren();
    this.#announcer.replaceChildren();
    this.endCall();
  }

  /** Forgets what belongs to a connection: the next call numbers its replies anew. */
  endCall() {
    this.#removePartial();
    this.#lastUser = null;
    this.#typed = [];
    this.#replies.clear();
  }

  typed(text) {
    this.#following.restart();
    this.#lastUser = { entry: this.#add("user", text), text };
    this.#typed.push(this.#lastUser);
    if (this.#typed.length > MAX_UNCONFIRMED) this.#typed.shift();
  }

  /** Removes typed turns that were never sent. */
  withdraw(unsent) {
    for (const { entry, text } of this.#typed) if (unsent.includes(text)) entry.remove();
  }

  partial(text) {
    if (text === "") return this.#removePartial();
    if (!this.#partial) this.#partial = this.#add("user partial");
    this.#partial.lastChild.textContent = text;
    this.#following.follow();
  }

  turn(text) {
    this.#removePartial();
    const entry = this.#typedEntry(text) ?? this.#extendedEntry(text) ?? this.#add("user");
    entry.lastChild.textContent = text;
    this.#lastUser = { entry, text };
    this.announce(`${this.#texts().you}: ${text}`);
    this.#following.follow();
  }

  replyDelta(reply, text) {
    this.#reply(reply).lastChild.append(text);
    this.#following.follow();
  }

  reply(reply, text) {
    this.#reply(reply).lastChild.textContent = text;
    this.announce(`${this.#texts().agent}: ${text}`);
    this.#following.follow();
  }

  interrupted(reply, heard) {
    const entry = this.#replies.get(reply);
    if (!entry) return;
    if (heard === "") return entry.remove();
    entry.lastChild.textContent = `${heard} …`;
    entry.lastChild.title = this.#texts().interrupted;
  }

  note(text) {
    this.#add("note", text);
    this.announce(text);
  }

  /** The entry of the typed turn that `text` confirms. Words that were spoken may precede it in `text`. */
  #typedEntry(text) {
    const index = this.#typed.findIndex((turn) => text === turn.text || text.endsWith(` ${turn.text}`));
    return index < 0 ? null : this.#typed.splice(0, index + 1).at(-1).entry;
  }

  /** The entry of the last turn if `text` goes on with it. */
  #extendedEntry(text) {
    const last = this.#lastUser;
    return last && !this.#typed.includes(last) && text.startsWith(last.text) ? last.entry : null;
  }

  #reply(reply) {
    const known = this.#replies.get(reply);
    if (known) return known;
    const entry = this.#add("agent");
    this.#replies.set(reply, entry);
    if (this.#replies.size > MAX_ENTRIES) this.#replies.delete(this.#replies.keys().next().value);
    this.#lastUser = null;
    return entry;
  }

  #removePartial() {
    this.#partial?.remove();
    this.#partial = null;
  }

  #add(kind, text = "") {
    const [speaker] = kind.split(" ");
    const bubble = element("p", { className: "bubble", part: `bubble ${speaker}`, dir: "auto", textContent: text });
    const entry = element("li", { className: kind }, bubble);
    if (speaker !== "note") {
      const who = this.#texts()[speaker === "user" ? "you" : "agent"];
      entry.prepend(element("span", { className: "for-screen-readers", textContent: `${who}: ` }));
    }
    this.#list.insertBefore(entry, this.#partial);
    while (this.#list.childElementCount > MAX_ENTRIES) this.#list.firstChild.remove();
    this.#following.follow();
    return entry;
  }

  /** Tells people who use a screen reader. */
  announce(text) {
    this.#announcer.append(element("p", { textContent: text }));
    while (this.#announcer.childElementCount > MAX_ANNOUNCEMENTS) this.#announcer.firstChild.remove();
  }
}
