// The talk page: finds its elements, loads the agents, and lets one conversation at a time happen.

import { AccessDenied, useCredential } from "./access.js";
import { agentInAddress, loadAgents, markChosen, rememberInAddress, showAgents } from "./agents.js";
import { Controls } from "./controls.js";
import { Conversation } from "./conversation.js";
import { element } from "./dom.js";
import { foldNotices, showNotices } from "./notices.js";
import { keepForReload, takeKept } from "./reload.js";
import { untilAnotherAnswers, untilItLeaves } from "./restarts.js";
import { Transcript } from "./transcript.js";
import { AGENTS_HIDDEN, HOST_SILENT, NO_CREDENTIAL, RESTARTED, accessWords, brokenWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const page = {
  body: document.body,
  agents: byId("agents"),
  agentList: byId("agent-list"),
  agentsHint: byId("agents-hint"),
  title: byId("agent-title"),
  description: byId("agent-description"),
  providers: byId("providers"),
  notices: byId("notices"),
  empty: byId("empty"),
  examples: byId("examples"),
  trace: byId("trace"),
  problem: byId("problem"),
  problemText: byId("problem-text"),
  access: byId("access"),
  credential: byId("credential"),
  again: byId("call-again"),
  dismiss: byId("dismiss"),
  status: byId("status-text"),
  talk: byId("talk"),
  talkLabel: byId("talk-label"),
  stop: byId("stop"),
  reset: byId("reset"),
  hangUp: byId("hang-up"),
  form: byId("type"),
  message: byId("message"),
  send: byId("send"),
};
const controls = new Controls(page);
const transcript = new Transcript(byId("transcript"), byId("announcer"));

let agents = [];
let agent = null; // the one chosen, if it can be called
let conversation = null;
let lastFacts = null; // of the last call, once it is over
let again = null; // what "Call again" does
let shown = null; // the id of the agent whose conversation is on the page
let kept = takeKept(); // the call that was under way before the page was reloaded
let isFollowed = false; // the host says when it is about to be replaced
let isRestarting = false; // the host is being replaced
let comeBack = null; // how to call again once it has been, after it went away under a call
let isOutdated = false; // the list has changed while a call that was lost still tried to go on

// What the page measured, for tests and curious people. Nothing can be changed through it.
Object.defineProperty(window, "voiceHost", {
  value: Object.freeze({
    get facts() {
      return structuredClone(conversation?.facts ?? lastFacts);
    },
  }),
});

async function load() {
  hideProblem();
  let listed;
  try {
    listed = await loadAgents();
  } catch (error) {
    page.agentsHint.textContent = error instanceof AccessDenied ? AGENTS_HIDDEN : "";
    if (error instanceof AccessDenied) askForAccess(accessWords(error.message));
    else showProblem(HOST_SILENT, "Try again", load);
    return;
  }
  list(listed.agents);
  isFollowed = listed.monitor !== null;
  goOn();
  if (isFollowed) await follow(listed.monitor);
}

/** Goes on with the call that was under way before the page was reloaded. */
function goOn() {
  if (!kept) return;
  const { agent: id, transcript: before, token, microphone, unsent } = kept;
  kept = null;
  const found = agents.find((candidate) => candidate.id === id);
  if (found?.status !== "ready") return;
  choose(found, { remember: false });
  transcript.restore(before);
  startCall({ withMicrophone: microphone !== "off", muted: microphone === "muted", token });
  for (const text of unsent) conversation.say(text);
  showState();
}

/** Shows, from one host to the next, that it is being replaced and what its successor brings. */
async function follow(monitor) {
  while (monitor) {
    await untilItLeaves(monitor);
    isRestarting = true;
    hideProblem();
    showState();
    const listed = await untilAnotherAnswers(monitor, loadAgents, () => showProblem(HOST_SILENT));
    monitor = listed.monitor;
    isRestarting = false;
    isOutdated = conversation !== null;
    list(listed.agents);
    callAgain();
  }
}

/** Goes on, with a new call, after the host went away under one; once there is somebody to call. */
function callAgain() {
  if (!comeBack || !agent) return;
  transcript.note(RESTARTED);
  startCall(comeBack);
}

function list(found) {
  agents = found;
  showAgents(page.agentList, agents, choose);
  page.agentsHint.textContent = agents.length === 0 ? "No agent is installed. Install an agent’s package and restart." : "";
  chooseFromAddress();
}

function chooseFromAddress() {
  if (conversation) return;
  const ready = agents.filter(({ status }) => status === "ready");
  const wanted = agentInAddress();
  const found = agents.find(({ id }) => id === wanted);
  hideProblem();
  if (wanted && !found) showProblem(`There is no agent “${wanted}” on this host.`);
  const broken = brokenToShow(found);
  if (broken) {
    showProblem(brokenWords(broken));
    showTrace(broken.traceback ?? "");
  }
  const next = found?.status === "ready" ? found : ready[0];
  if (next) choose(next, { remember: false }); // the address says so already, or asks for somebody else
  else {
    agent = null;
    showAgent();
  }
}

/** The broken agent to tell about, if any: the one that is wanted, one under development, or the first where none works. */
function brokenToShow(wanted) {
  const broken = agents.filter(({ status }) => status !== "ready");
  if (broken.includes(wanted)) return wanted;
  return broken.find(({ traceback }) => traceback) ?? (broken.length === agents.length ? broken[0] : undefined);
}

function choose(next, { remember = true } = {}) {
  if (next.id !== shown) transcript.clear();
  agent = next;
  shown = agent.id;
  if (remember) {
    rememberInAddress(agent.id);
    hideProblem();
  }
  showAgent();
}

function showAgent() {
  if (agent) markChosen(page.agentList, agent);
  const { stt, tts, model } = agent?.providers ?? {};
  page.title.textContent = agent ? agent.title || agent.id : "No agent to talk to";
  page.description.textContent = agent?.description ?? "";
  transcript.agentTitle = page.title.textContent;
  const providers = [["Speech-to-text", stt], ["Voice", tts], ["Model", model]].filter(([, name]) => name);
  page.providers.replaceChildren(
    ...providers.map(([label, name]) =>
      element("div", {}, element("dt", { textContent: label }), element("dd", { textContent: name })),
    ),
  );
  showNotices(page.notices, agent ?? {});
  page.examples.replaceChildren(...(agent?.examples ?? []).map(exampleButton));
  showState();
}

function exampleButton(text) {
  const button = element("button", { type: "button", dir: "auto", textContent: text });
  button.addEventListener("click", () => {
    say(text);
    page.talk.focus(); // the examples are gone, and the focus with them
  });
  return button;
}

/** Says something in writing, in a new call if there is none. */
function say(text) {
  (conversation ?? startCall({ withMicrophone: false })).say(text);
  showState();
}

function showState() {
  controls.show(conversation, agent, transcript, isRestarting);
}

/**
 * Begins a call, or goes on with the one that `token` opens. Called directly from a click or key press wherever there is
 * one, as sound and microphone ask for it.
 */
function startCall({ withMicrophone, muted = false, token = null }) {
  hideProblem();
  comeBack = null;
  foldNotices(page.notices);
  const view = {
    changed: showState,
    level: (level) => controls.level(level),
    problem: (text) => showProblem(text),
    ended: (words) => endCall(words, withMicrophone),
  };
  const started = new Conversation(agent, transcript, view, token);
  conversation = started;
  void started.start();
  if (withMicrophone) void started.openMicrophone({ muted });
  showState();
  return started;
}

function endCall({ text, failed, hostGone, draining, accessWanted }, withMicrophone) {
  lastFacts = conversation.facts;
  conversation = null;
  if (hostGone) comeBack = { withMicrophone };
  // A host that is followed is replaced after each save: nothing to be alarmed about.
  const isReplaced = draining && isFollowed;
  if (isReplaced) isRestarting = !isOutdated;
  else if (accessWanted) askForAccess(text);
  else if (failed) showProblem(text, "Call again", () => startCall({ withMicrophone }));
  else transcript.note(text);
  showState();
  if (!isOutdated) return;
  isOutdated = false;
  chooseFromAddress();
  callAgain();
}

function showProblem(text, action = "", act = null) {
  page.problemText.textContent = text;
  page.again.textContent = action;
  page.again.hidden = act === null;
  again = act;
  page.problem.hidden = false;
}

/** Asks for a key or a token; with it the agents are loaded again. */
function askForAccess(text) {
  showProblem(text);
  page.access.hidden = false;
  page.credential.value = "";
  page.credential.focus();
}

/** Shows what the code of a broken agent raised. Only `voice-host dev` says that. */
function showTrace(trace) {
  page.trace.textContent = trace;
  page.trace.hidden = trace === "";
  if (trace) page.trace.scrollIntoView({ block: "nearest" });
}

function hideProblem() {
  showTrace("");
  page.access.hidden = true;
  page.problem.hidden = true;
  page.problemText.textContent = "";
}

page.talk.addEventListener("click", () => {
  if (conversation?.phase === "blocked") return; // a click anywhere is what it waits for
  if (conversation) conversation.toggleMicrophone();
  else startCall({ withMicrophone: true });
});
page.stop.addEventListener("click", () => conversation.stopSpeaking());
page.reset.addEventListener("click", () => {
  if (conversation) {
    conversation.reset(); // the transcript goes when the host says that it has forgotten
  } else {
    transcript.clear();
    hideProblem();
    showState();
  }
});
page.hangUp.addEventListener("click", () => conversation.hangUp());
page.dismiss.addEventListener("click", () => {
  page.problem.hidden = true; // a place for a key that was asked for stays
});
page.again.addEventListener("click", () => again());
page.access.addEventListener("submit", (event) => {
  event.preventDefault();
  if (useCredential(page.credential.value)) void load();
  else askForAccess(NO_CREDENTIAL);
});
page.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page.message.value.trim();
  if (text === "") return;
  page.message.value = "";
  say(text);
});
window.addEventListener("pagehide", () => {
  const call = conversation?.resumable;
  if (call) keepForReload({ ...call, agent: agent.id, transcript: transcript.saved(call.unsent) });
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) takeKept(); // the page was kept as a whole, and its call comes back by itself
});
window.addEventListener("hashchange", chooseFromAddress);

showState();
void load();
