// Saving a conversation as a file: as text to read, or as JSON for programs.

/** The text of a conversation. `about`: see `conversationData`. */
export function conversationText({ agent, release, session, started, parameters, entries }) {
  const head = [
    `${agent.title || agent.id}${release ? ` (${release})` : ""}`,
    started ? `Called ${started}` : "",
    session ? `Session ${session}` : "",
    ...Object.entries(parameters).map(([name, value]) => `${name} = ${value}`),
  ];
  return `${head.filter(Boolean).map(indented).join("\n")}\n\n${entries.map(entryText).join("\n")}\n`;
}

/** The data of a conversation, as it is saved as JSON. `entries`: of `Transcript.exported`. */
export function conversationData({ agent, release, session, started, parameters, entries, events }) {
  return {
    format: "voice-host-conversation",
    version: 1,
    agent: { id: agent.id, title: agent.title || agent.id, release },
    session,
    started,
    parameters,
    transcript: entries,
    events,
  };
}

/** Lets the browser save `text` as a file. */
export function saveFile(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser reads it after the click
}

/** A name for the file, such as `front-desk-2026-03-01-14-05.json`. */
export function fileName(agentId, ending, date = new Date()) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const safe = agentId.replace(/[^A-Za-z0-9._-]+/g, "_");
  return `${safe}-${day}-${two(date.getHours())}-${two(date.getMinutes())}.${ending}`;
}

/** Text of several lines, so that none of them looks like an entry of its own. */
function indented(text) {
  return text.replaceAll(/\r\n|[\n\r\u2028\u2029]/g, "\n  ");
}

function entryText(entry) {
  switch (entry.role) {
    case "caller":
      return `Caller: ${indented(entry.text)}`;
    case "agent":
      return [...entry.tools.map(toolText), ...(entry.text ? [agentText(entry)] : [])].join("\n");
    default:
      return `[${indented(entry.text)}]`;
  }
}

function toolText({ name, arguments: given, outcome, took_ms: took }) {
  const took_text = took === null ? "" : `, ${took} ms`;
  return `  tool ${indented(name)}(${given === null ? "" : JSON.stringify(given)}) ${outcome ?? ""}${took_text}`.trimEnd();
}

function agentText({ text, heard, first_sound_ms: wait }) {
  const lines = [`Agent: ${indented(text)}`];
  if (wait !== null) lines.push(`  [first sound after ${Math.round(wait)} ms]`);
  if (heard !== null) lines.push(`  [interrupted; heard: ${indented(heard.trim()) || "nothing"}]`);
  return lines.join("\n");
}
