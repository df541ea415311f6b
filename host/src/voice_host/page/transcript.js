// The conversation as it is read: bubbles of both sides, tools, notes, and what is being understood right now.

import { element } from "./dom.js";
import { ReplyEntry } from "./reply-entry.js";

const LONGEST = 500; // entries kept on the page; the oldest go first
const ANNOUNCEMENTS = 4; // kept in the live region
const UNCONFIRMED = 20; // typed turns that the host has not announced; the oldest are no longer waited for
const NEAR_END_PX = 80; // scrolled up further than this, the reader is reading and is left alone

export class Transcript {
  #list;
  #announcer;
  #partial = element("li", { className: "entry user partial" }, element("p", { className: "bubble", dir: "auto" }));
  #dots = element("li", { className: "entry agent dots", ariaHidden: "true" }, element("p", { className: "bubble" }));
  #lastUser = null; // { bubble, text } of the last turn, until a reply begins
  #typed = []; // { bubble, text } typed here and not yet announced by the host, oldest first
  #replies = new Map(); // id -> ReplyEntry
  #current = null; // the ReplyEntry that tools belong to
  #following = true; // the reader is at the end, and stays there as it grows
  #followed = {}; // how high the scroller and its content were then
  #runningTools = new Map(); // id, or name when there is none -> marks the outcome
  #saves = new WeakMap(); // element -> the function that saves it

  /** Shown to screen readers as the speaker of replies. */
  agentTitle = "Agent";

  /**
   * `list` is an <ol>. `announcer` is a live region: it hears of whole turns and replies, for a screen reader that read
   * every streamed word would never finish a sentence.
   */
  constructor(list, announcer) {
    this.#list = list;
    this.#announcer = announcer;
    const scroller = list.parentElement;
    scroller.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = scroller;
      const hasMoved = scrollHeight !== this.#followed.scrollHeight || clientHeight !== this.#followed.clientHeight;
      if (this.#following && hasMoved) this.#follow(); // it is the layout that changed: no reader has scrolled
      else this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    });
    new ResizeObserver(() => this.#follow()).observe(scroller);
    this.#dots.firstChild.append(element("span"), element("span"), element("span"));
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  /** Whether the caller has said anything. */
  get hasTurns() {
    return this.#list.querySelector(".entry.user:not(.partial)") !== null;
  }

  /** What is shown, as plain data for `restore`; without the typed turns in `unsent`, which will be typed again. */
  saved(unsent = []) {
    const left = this.#typed.filter(({ text }) => unsent.includes(text)).map(({ bubble }) => bubble.parentElement);
    const kept = [...this.#list.children].filter((entry) => this.#saves.has(entry) && !left.includes(entry));
    return kept.map((entry) => this.#saves.get(entry)());
  }

  /** Shows again what `saved` returned, before the page was reloaded. */
  restore(saved) {
    for (const { user, note, kind, reply } of saved) {
      if (user !== undefined) this.#addUser(user);
      else if (note !== undefined) this.#addNote(note, kind);
      else {
        const entry = ReplyEntry.restored(reply);
        this.#add(entry.element, () => ({ reply: entry.saved }));
      }
    }
    this.endCall();
  }

  clear() {
    this.#list.replaceChildren();
    this.#announcer.replaceChildren();
    this.endCall();
  }

  /** Forgets what belongs to a call's ids; what is written stays. The next call counts its replies from the start. */
  endCall() {
    this.partial("");
    this.thinking(false);
    this.#replies.clear();
    this.#runningTools.clear();
    this.#lastUser = this.#current = null;
    this.#typed = [];
  }

  /** Shows what has been understood so far of a turn that goes on; empty text takes it away. */
  partial(text) {
    this.#partial.firstChild.textContent = text;
    if (text === "") this.#partial.remove();
    else if (this.#list.lastChild !== this.#partial) this.#add(this.#partial);
    else this.#follow();
  }

  /** Shows a typed turn at once; the host's `turn` for it is recognised later. */
  typed(text) {
    this.#addUser(text);
    this.#typed.push(this.#lastUser);
    if (this.#typed.length > UNCONFIRMED) this.#typed.shift();
  }

  /** Shows a finished turn. One that extends the last (nothing was answered in between) replaces it. */
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
    this.#announce(`You: ${text}`);
  }

  thinking(on) {
    if (!on) this.#dots.remove();
    else this.#add(this.#dots);
  }

  replyDelta(reply, text) {
    this.#entry(reply).append(text);
    this.#follow();
  }

  replyWhole(reply, text, steps = []) {
    this.#entry(reply).finish(text, steps);
    this.#announce(`${this.agentTitle}: ${text}`);
    this.#follow();
  }

  greeting(reply, text) {
    this.#entry(reply).isGreeting = true;
    this.replyWhole(reply, text);
  }

  toolCall(reply, id, name, toolArguments) {
    this.thinking(false);
    const entry = reply === null && this.#current ? this.#current : this.#entry(reply);
    this.#runningTools.set(id ?? name, entry.addTool(name, toolArguments));
    this.#follow();
  }

  toolResult(id, name, ok) {
    this.#runningTools.get(id ?? name)?.(ok);
    this.#runningTools.delete(id ?? name);
  }

  cut(reply, heard) {
    const entry = this.#replies.get(reply) ?? (reply === null ? this.#current : null);
    if (!entry) return; // cut before its first word: there is nothing to mark
    if (entry.isGreeting && heard === "") {
      entry.element.remove(); // who types first has no use for a greeting that never sounded
      return;
    }
    entry.cut(heard);
    this.#follow();
    this.#announce(`${this.agentTitle} was interrupted.`);
  }

  /** Shows how long the caller waited for a reply, from its stages: see `metrics` in the call protocol. */
  latency(reply, { model_request: asked, first_audio_out: audible }) {
    if (asked === undefined || audible === undefined) return; // it answered nobody, or made no sound
    this.#replies.get(reply)?.setLatency(audible);
    this.#follow();
  }

  /** A remark of the page itself; `kind` is "plain" or "error". */
  note(text, kind = "plain") {
    this.#addNote(text, kind);
    this.#announce(text);
  }

  #entry(reply) {
    const known = this.#replies.get(reply);
    if (known && reply !== null) return known;
    this.thinking(false);
    // Tools run before their reply has an id: its first words claim what stands there without one.
    const adopts = this.#current?.reply === null && !this.#current.isOver;
    const entry = adopts ? this.#current : new ReplyEntry(reply);
    entry.reply = reply;
    if (!adopts) this.#add(entry.element, () => ({ reply: entry.saved }));
    if (reply !== null) this.#replies.set(reply, entry);
    this.#current = entry;
    this.#lastUser = null;
    return entry;
  }

  /**
   * The typed turn that `text` announces, or null. A greeting or the end of a reply may have come since it was typed.
   * Words that were spoken over the agent and had to wait stand before it.
   */
  #takeTyped(text) {
    const index = this.#typed.findIndex((typed) => text === typed.text || text.endsWith(` ${typed.text}`));
    return index < 0 ? null : this.#typed.splice(0, index + 1).at(-1);
  }

  #isExtended(text) {
    const last = this.#lastUser;
    return last !== null && !this.#typed.includes(last) && text.startsWith(last.text);
  }

  #addUser(text) {
    const bubble = element("p", { className: "bubble", dir: "auto", textContent: text });
    const user = { bubble, text };
    this.#add(element("li", { className: "entry user" }, bubble), () => ({ user: user.text }));
    this.#lastUser = user;
    this.#current = null;
  }

  #addNote(text, kind) {
    const item = element("li", { className: `note ${kind}`, dir: "auto", textContent: text });
    this.#add(item, () => ({ note: text, kind }));
  }

  /** `save` returns what `restore` needs to show the entry again; without it the entry is of the moment. */
  #add(entry, save = null) {
    if (save) this.#saves.set(entry, save);
    // What is still being said stays below what has been said.
    const before = entry !== this.#partial && this.#partial.isConnected ? this.#partial : null;
    this.#list.insertBefore(entry, before);
    while (this.#list.childElementCount > LONGEST) this.#list.firstChild.remove();
    this.#follow();
  }

  #follow() {
    if (!this.#following || this.isEmpty) return;
    const scroller = this.#list.parentElement;
    scroller.scrollTop = scroller.scrollHeight;
    this.#followed = { scrollHeight: scroller.scrollHeight, clientHeight: scroller.clientHeight };
  }

  #announce(text) {
    this.#announcer.append(element("p", { textContent: text }));
    while (this.#announcer.childElementCount > ANNOUNCEMENTS) this.#announcer.firstChild.remove();
  }
}
