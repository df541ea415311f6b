// The list of agents: loaded from the host, shown as radio buttons. The chosen one is kept in the address (#agent-id).

import { AccessDenied, accessHeaders, refusalReason } from "./access.js";
import { element } from "./dom.js";
import { monitorIn } from "./restarts.js";
import { brokenDetails } from "./messages.js";

/** Fetches `{ agents, monitor }`; for `monitor` see restarts.js. Rejects with `AccessDenied`, or if there is no list. */
export async function loadAgents() {
  const response = await fetch("agents", { headers: { accept: "application/json", ...accessHeaders() } });
  if (response.status === 401 || response.status === 403) throw new AccessDenied(await refusalReason(response));
  if (!response.ok) throw new Error(`the host answered ${response.status}`);
  const agents = await response.json();
  if (!Array.isArray(agents)) throw new Error("the host did not answer with a list");
  return { agents, monitor: monitorIn(response) };
}

/** The agent in the address, `#night-desk` or `?agent=night-desk@staging`, or null. The one behind `#` is the latest. */
export function agentInAddress() {
  const asked = new URLSearchParams(location.search).get("agent");
  try {
    return decodeURIComponent(location.hash.slice(1)) || asked;
  } catch {
    return asked; // an invalid escape sequence
  }
}

/** Adds the release that the address names, as in `night-desk@staging`, as an agent beside the one in production. */
export function withRelease(agents, wanted) {
  const [id, target] = (wanted ?? "").split("@");
  const agent = target ? agents.find((candidate) => candidate.id === id) : undefined;
  if (!agent) return agents;
  return [...agents, { ...agent, id: wanted, title: `${agent.title || id} @${target}`, status: "ready" }];
}

/** Puts an agent's id into the address without adding a step to the browser's history. */
export function rememberInAddress(id) {
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
}

/** Fills `list` with a radio button for each agent. Calls `choose(agent)` when one is selected. */
export function showAgents(list, agents, choose) {
  list.replaceChildren(...agents.map((agent) => agentItem(agent, choose)));
}

/** Marks an agent as chosen. */
export function markChosen(list, agent) {
  for (const radio of list.querySelectorAll("input")) radio.checked = radio.value === agent.id;
}

function agentItem(agent, choose) {
  const ready = agent.status === "ready";
  const radio = element("input", { type: "radio", name: "agent", value: agent.id, disabled: !ready });
  radio.addEventListener("change", () => choose(agent));
  const card = element(
    "label",
    { className: ready ? "agent-card" : "agent-card broken" },
    radio,
    element("span", { className: "agent-title", dir: "auto", textContent: agent.title || agent.id }),
    element("span", { className: "agent-package", textContent: packageText(agent) }),
  );
  if (!ready) {
    const disabled = agent.status === "disabled";
    const phase = disabled ? "switched off" : agent.phase ? `broken: not ${agent.phase}` : "broken";
    card.append(
      element("span", { className: "agent-phase", textContent: phase }),
      element("span", { className: "agent-error", dir: "auto", textContent: disabled ? "" : brokenDetails(agent) }),
    );
  }
  return element("li", {}, card);
}

function packageText({ distribution, version }) {
  return [distribution, version].filter(Boolean).join(" ");
}
