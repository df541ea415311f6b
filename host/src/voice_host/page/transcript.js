// The transcript of a conversation: the turns of both sides, tools, notes, and the partial transcript.

import { Following } from "../widget/following.js";
import { element } from "./dom.js";
import { ReplyEntry } from "./reply-entry.js";

const MAX_ENTRIES = 500; // kept on the page; the oldest are removed
const MAX_ANNOUNCEMENTS = 4; // kept in the live region
const MAX_UNCONFIRMED = 20; // typed turns that the host has not confirmed; the oldest are forgotten

export class Transcript {
  #list;
  #announcer;
  #partial = element("li", { className: "entry user partial" }, element("p", { className: "bubble", dir: "auto" }));
  #dots = element("li", { className: "entry agent dots", ariaHidden: "true" }, element("p", { className: "bubble" }));
  #lastUser = null; // { bubble, text } of the last turn, until a reply begins
  #typed = []; // { bubble, text } of typed turns that the host has not confirmed, oldest first
  #replies = new Map(); // id -> ReplyEntry
  #current = null; // the ReplyEntry that tools belong to
  #following;
  #runningTools = new Map(); // id, or name without one -> function that marks the outcome
  #saves = new WeakMap(); // element -> function that returns its data for a reload
  #exports = new WeakMap(); // element -> function that returns its data for a file

  /** Announced to screen readers as the speaker of replies. */
  agentTitle = "Agent";

  /**
   * `list` is an <ol>. `announcer` is a live region that gets whole turns and replies: a screen reader that read every
   * streamed word would never finish a sentence.
   */
  constructor(list, announcer) {
    this.#list = list;
    this.#announcer = announcer;
    this.#following = new Following(list.parentElement, list);
    this.#dots.firstChild.append(element("span"), element("span"), element("span"));
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  /** Whether the caller has said anything. */
  get hasTurns() {
    return this.#list.querySelector(".entry.user:not(.partial)") !== null;
  }

  /** The transcript as plain data for `restore`, without the typed turns in `unsent`, which will be sent again. */
  saved(unsent = []) {
    const left = this.#unsentEntries(unsent);
    const kept = [...this.#list.children].filter((entry) => this.#saves.has(entry) && !left.includes(entry));
    return kept.map((entry) => this.#saves.get(entry)());
  }

  /** The transcript for a file, oldest entry first: `{ role, at, ... }`. */
  get exported() {
    return [...this.#list.children].filter((entry) => this.#exports.has(entry)).map((entry) => this.#exports.get(entry)());
  }

  /** Restores what `saved` returned before the page was reloaded. */
  restore(saved) {
    for (const { user, note, kind, reply, at } of saved) {
      if (user !== undefined) this.#addUser(user, at);
      else if (note !== undefined) this.#addNote(note, kind, at);
      else this.#addReply(ReplyEntry.restored(reply), at);
    }
    this.endCall();
  }

  clear() {
    this.#following.restart();
    this.#list.replaceChildren();
    this.#announcer.replaceChildren();
    this.endCall();
  }

  /** Forgets the ids of a call, since the next call numbers its replies anew. The entries stay. */
  endCall() {
    this.partial("");
    this.thinking(false);
    this.#replies.clear();
    this.#runningTools.clear();
    this.#lastUser = this.#current = null;
    this.#typed = [];
  }

  /** Shows the partial transcript of the current turn; empty text removes it. */
  partial(text) {
    this.#partial.firstChild.textContent = text;
    if (text === "") this.#partial.remove();
    else if (this.#list.lastChild !== this.#partial) this.#add(this.#partial);
    else this.#following.follow();
  }

  /** Shows a typed turn at once. The host confirms it later with a `turn`. */
  typed(text) {
    this.#following.restart();
    this.#addUser(text);
    this.#typed.push(this.#lastUser);
    if (this.#typed.length > MAX_UNCONFIRMED) this.#typed.shift();
  }

  /** Removes the typed turns in `unsent`, which were never sent. */
  withdraw(unsent) {
    for (const entry of this.#unsentEntries(unsent)) entry.remove();
  }

  /** Shows a complete turn. It replaces the last turn if it extends it, without a reply in between. */
  turn(text) {
    this.partial("");
    const shown = this.#takeTyped(text) ?? (this.#isExtended(text) ? this.#lastUser : null);
    if (shown) {
      shown.bubble.textContent = shown.text = text;
      this.#lastUser = shown;
      this.#current = null;
    } else {
      this.#addUser(text);
    }
    this.announce(`You: ${text}`);
  }

  thinking(on) {
    if (!on) this.#dots.remove();
    else this.#add(this.#dots);
  }

  replyDelta(reply, text) {
    this.#entry(reply).append(text);
    this.#following.follow();
  }

  replyWhole(reply, text, steps = []) {
    this.#entry(reply).finish(text, steps);
    this.announce(`${this.agentTitle}: ${text}`);
    this.#following.follow();
  }

  greeting(reply, text) {
    this.#entry(reply).isGreeting = true;
    this.replyWhole(reply, text);
  }

  toolCall(reply, id, name, toolArguments) {
    this.thinking(false);
    const entry = reply === null && this.#current ? this.#current : this.#entry(reply);
    setBounded(this.#runningTools, id ?? name, entry.addTool(name, toolArguments));
    this.#following.follow();
  }

  toolResult(id, name, ok) {
    this.#runningTools.get(id ?? name)?.(ok);
    this.#runningTools.delete(id ?? name);
  }

  cut(reply, heard) {
    const entry = this.#replies.get(reply) ?? (reply === null ? this.#current : null);
    if (!entry) return; // cut off before its first word
    if (entry.isGreeting && heard === "") {
      entry.element.remove(); // the caller typed before the greeting was heard
      return;
    }
    entry.cut(heard);
    this.#following.follow();
    this.announce(`${this.agentTitle} was interrupted.`);
  }

  /** Shows how long the caller waited for a reply. For the stages see `metrics` in the call protocol. */
  latency(reply, { model_request: asked, first_audio_out: audible }) {
    if (asked === undefined || audible === undefined) return; // it answered no turn, or had no audio
    this.#replies.get(reply)?.setLatency(audible);
    this.#following.follow();
  }

  /** Shows a note of the page itself; `kind` is "plain" or "error". */
  note(text, kind = "plain") {
    this.#addNote(text, kind);
    this.announce(text);
  }

  #entry(reply) {
    const known = this.#replies.get(reply);
    if (known && reply !== null) return known;
    this.thinking(false);
    // Tools run before their reply has an id: the first text of the reply claims the entry without one.
    const adopts = this.#current?.reply === null && !this.#current.isOver;
    const entry = adopts ? this.#current : new ReplyEntry(reply);
    entry.reply = reply;
    if (!adopts) this.#addReply(entry);
    if (reply !== null) setBounded(this.#replies, reply, entry);
    this.#current = entry;
    this.#lastUser = null;
    return entry;
  }

  /**
   * The typed turn that `text` confirms, or null. A greeting or the end of a reply may have come since it was typed. Words
   * that were spoken over the agent may precede it in `text`.
   */
  #takeTyped(text) {
    const index = this.#typed.findIndex((typed) => text === typed.text || text.endsWith(` ${typed.text}`));
    return index < 0 ? null : this.#typed.splice(0, index + 1).at(-1);
  }

  #unsentEntries(unsent) {
    return this.#typed.filter(({ text }) => unsent.includes(text)).map(({ bubble }) => bubble.parentElement);
  }

  #isExtended(text) {
    const last = this.#lastUser;
    return last !== null && !this.#typed.includes(last) && text.startsWith(last.text);
  }

  #addReply(entry, at = now()) {
    this.#add(
      entry.element,
      () => ({ reply: entry.saved, at }),
      () => ({ role: "agent", at, ...entry.exported }),
    );
  }

  #addUser(text, at = now()) {
    const bubble = element("p", { className: "bubble", dir: "auto", textContent: text });
    const user = { bubble, text };
    this.#add(
      element("li", { className: "entry user" }, bubble),
      () => ({ user: user.text, at }),
      () => ({ role: "caller", at, text: user.text }),
    );
    this.#lastUser = user;
    this.#current = null;
  }

  #addNote(text, kind, at = now()) {
    const item = element("li", { className: `note ${kind}`, dir: "auto", textContent: text });
    this.#add(
      item,
      () => ({ note: text, kind, at }),
      () => ({ role: "page", at, text }),
    );
  }

  /**
   * `save` returns the data with which `restore` recreates the entry, `exported` the data for a file; without them the
   * entry is temporary.
   */
  #add(entry, save = null, exported = null) {
    if (save) this.#saves.set(entry, save);
    if (exported) this.#exports.set(entry, exported);
    // The partial transcript stays at the end.
    const before = entry !== this.#partial && this.#partial.isConnected ? this.#partial : null;
    this.#list.insertBefore(entry, before);
    while (this.#list.childElementCount > MAX_ENTRIES) this.#list.firstChild.remove();
    this.#following.follow();
  }

  /** Tells people who use a screen reader. */
  announce(text) {
    this.#announcer.append(element("p", { textContent: text }));
    while (this.#announcer.childElementCount > MAX_ANNOUNCEMENTS) this.#announcer.firstChild.remove();
  }
}

/** Sets a key of a map that keeps no more than the transcript does, without the oldest. */
function setBounded(map, key, value) {
  map.set(key, value);
  if (map.size > MAX_ENTRIES) map.delete(map.keys().next().value);
}

function now() {
  return new Date().toISOString();
}
