// The talk page: finds its elements, loads the agents, and runs one conversation at a time.

import { AccessDenied, useCredential } from "./access.js";
import { agentInAddress, loadAgents, markChosen, rememberInAddress, showAgents, withRelease } from "./agents.js";
import { Controls } from "./controls.js";
import { Conversation } from "./conversation.js";
import { Details } from "./details.js";
import { element } from "./dom.js";
import { Shortcuts } from "./keyboard.js";
import { foldNotices, showNotices } from "./notices.js";
import { storeForReload, takeStored } from "./reload.js";
import { untilSuccessorAnswers, untilReplaced } from "./restarts.js";
import { Transcript } from "./transcript.js";
import { AGENTS_HIDDEN, HOST_SILENT, NO_CREDENTIAL, RESTARTED, accessMessage, brokenMessage } from "./messages.js";

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
  emptyText: byId("empty-text"),
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
  shortcutsDialog: byId("shortcuts"),
  shortcutList: byId("shortcut-list"),
  shortcutsOn: byId("shortcuts-on"),
  shortcutsClose: byId("shortcuts-close"),
};
const controls = new Controls(page);
const transcript = new Transcript(byId("transcript"), byId("announcer"));
const details = new Details(transcript, () => conversation, {
  problem: ({ message, code }) => showProblemOfClient(message, code),
  solved: hideProblemOf,
});

let agents = [];
let agent = null; // the chosen one, if it can be called
let conversation = null;
let lastFacts = null; // of the last call, after it has ended
let problemAction = null; // what the button in the problem box does
let problemCode = ""; // of the client, if the problem is one of its
let shownId = null; // of the agent whose transcript is on the page
let stored = takeStored(); // the call before the page was reloaded
let isFollowed = false; // the host announces its restarts
let isRestarting = false; // the host is being replaced
let callAfterRestart = null; // the options of the call to make after a restart that ended one
let isOutdated = false; // the list of agents has changed while a lost call was still being restored

// What the page measured, read-only, for tests and debugging.
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
    if (error instanceof AccessDenied) askForAccess(accessMessage(error.message));
    else showProblem(HOST_SILENT, "Try again", load);
    return;
  }
  list(listed.agents);
  isFollowed = listed.monitor !== null;
  resumeStored();
  if (isFollowed) await follow(listed.monitor);
}

/** Resumes the call from before the page was reloaded. */
function resumeStored() {
  if (!stored) return;
  const { agent: id, transcript: before, token, microphone, unsent } = stored;
  stored = null;
  const found = agents.find((candidate) => candidate.id === id);
  if (found?.status !== "ready") return;
  choose(found, { remember: false });
  transcript.restore(before);
  startCall({ withMicrophone: microphone !== "off", muted: microphone === "muted", token });
  for (const text of unsent) conversation.say(text);
  showState();
}

/** Follows the restarts of the host: shows each one, and the agents afterwards. */
async function follow(monitor) {
  while (monitor) {
    await untilReplaced(monitor);
    isRestarting = true;
    hideProblem();
    showState();
    const listed = await untilSuccessorAnswers(monitor, loadAgents, () => showProblem(HOST_SILENT));
    monitor = listed.monitor;
    isRestarting = false;
    isOutdated = conversation !== null;
    list(listed.agents);
    callAgain();
  }
}

/** Makes a new call after a restart that ended one, if there is an agent to call. */
function callAgain() {
  if (!callAfterRestart || !agent) return;
  transcript.note(RESTARTED);
  startCall(callAfterRestart);
}

function list(found) {
  agents = withRelease(found, agentInAddress() ?? stored?.agent);
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
    showProblem(brokenMessage(broken));
    showTrace(broken.traceback ?? "");
  }
  const next = found?.status === "ready" ? found : ready[0];
  if (next) choose(next, { remember: false }); // the address names it already, or another one
  else {
    agent = null;
    showAgent();
  }
}

/** The broken agent to show, if any: the wanted one, one under development, or the first if none works. */
function brokenToShow(wanted) {
  const broken = agents.filter(({ status }) => status !== "ready");
  if (broken.includes(wanted)) return wanted;
  return broken.find(({ traceback }) => traceback) ?? (broken.length === agents.length ? broken[0] : undefined);
}

function choose(next, { remember = true } = {}) {
  if (next.id !== shownId) transcript.clear();
  agent = next;
  shownId = agent.id;
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
    page.talk.focus(); // the examples disappear, and the focus with them
  });
  return button;
}

/** Sends a typed turn, in a new call if there is none. */
function say(text) {
  (conversation ?? startCall({ withMicrophone: false })).say(text);
  showState();
}

function showState() {
  controls.show(conversation, agent, transcript, isRestarting);
  details.show(agent);
}

/**
 * Begins a call, or resumes the one of `token`. Call it directly from a click or key press where there is one: browsers
 * require it for audio and the microphone.
 */
function startCall({ withMicrophone, muted = false, token = null }) {
  hideProblem();
  callAfterRestart = null;
  foldNotices(page.notices);
  const view = {
    changed: showState,
    level: (level) => details.level(controls.level(level)),
    microphoneOpened: () => {
      details.microphoneOpened();
      hideProblemOf("microphone");
    },
    problem: showProblemOfClient,
    ended: (result) => endCall(result, withMicrophone),
  };
  const microphone = withMicrophone && muted ? "muted" : withMicrophone;
  const started = new Conversation(agent, transcript, view, details, {
    ...details.begin(agent),
    microphone,
    resumeToken: token,
  });
  conversation = started;
  showState();
  return started;
}

function endCall({ text, failed, hostGone, draining, credentialNeeded, unsent }, withMicrophone) {
  lastFacts = conversation.facts;
  conversation = null;
  page.message.value = [...unsent, page.message.value].filter(Boolean).join(" "); // typed turns that were not sent
  if (hostGone) callAfterRestart = { withMicrophone };
  // A followed host restarts after each save, which is no problem to show.
  const isReplaced = draining && isFollowed;
  if (isReplaced) isRestarting = !isOutdated;
  else if (credentialNeeded) askForAccess(text);
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
  problemAction = act;
  problemCode = "";
  page.problem.hidden = false;
}

function showProblemOfClient(text, code) {
  showProblem(text);
  problemCode = code;
}

/** A device, "microphone" or "speaker", works now. */
function hideProblemOf(device) {
  if (problemCode.startsWith(`${device}_`)) hideProblem();
}

/** Asks for a key or token, with which the agents are loaded again. */
function askForAccess(text) {
  showProblem(text);
  page.access.hidden = false;
  page.credential.value = "";
  page.credential.focus();
}

/** Shows the traceback of a broken agent. Only `voice-host dev` provides one. */
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
  problemCode = "";
}

page.talk.addEventListener("click", () => {
  if (conversation?.phase === "blocked") return; // any click unblocks it
  if (conversation) conversation.toggleMicrophone();
  else startCall({ withMicrophone: true });
});
page.stop.addEventListener("click", () => conversation.stopSpeaking());
page.reset.addEventListener("click", () => {
  if (conversation) {
    conversation.reset(); // the transcript is cleared when the host confirms
  } else {
    transcript.clear();
    hideProblem();
    showState();
  }
});
page.hangUp.addEventListener("click", () => conversation.hangUp());
page.dismiss.addEventListener("click", () => {
  page.problem.hidden = true; // the form for a key stays
});
page.again.addEventListener("click", () => problemAction());
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
const shortcuts = new Shortcuts(page, {
  talk: () => press(page.talk),
  stop: () => press(page.stop),
  hangUp: () => press(page.hangUp),
  reset: () => press(page.reset),
  message: () => page.message.focus(),
  panel: () => details.panel.toggle(),
});
byId("shortcuts-open").addEventListener("click", () => shortcuts.showHelp());

/** Presses a button, as far as it can be pressed now. */
function press(button) {
  if (button.checkVisibility({ visibilityProperty: true })) button.click();
}

window.addEventListener("pagehide", () => {
  const call = conversation?.resumable;
  if (call) storeForReload({ ...call, agent: agent.id, transcript: transcript.saved(call.unsent) });
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) takeStored(); // restored from the back/forward cache, with its call
});
window.addEventListener("hashchange", chooseFromAddress);

showState();
void load();
