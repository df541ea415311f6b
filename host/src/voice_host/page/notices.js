// The notices about an agent's providers: one line that unfolds.

import { element } from "./dom.js";
import { providerNotices } from "./words.js";

const ROOMY = "(min-width: 761px) and (min-height: 600px)";

/** Shows in `container` what is to be known about the providers of an agent: unfolded where there is room, nothing if there is nothing. */
export function showNotices(container, { providers, speech_problem, speech_notices }) {
  const notices = providerNotices(providers, speech_problem, speech_notices);
  if (notices.length === 0) return container.replaceChildren();
  const about = notices.map((notice) => notice.about).join(", ");
  container.replaceChildren(
    element(
      "details",
      { open: matchMedia(ROOMY).matches },
      element("summary", { textContent: about.charAt(0).toUpperCase() + about.slice(1) }),
      ...notices.map(({ text }) => element("p", { textContent: text })),
    ),
  );
}

/** Folds them to their one line: during a call the room belongs to what is said. */
export function foldNotices(container) {
  container.querySelector("details")?.removeAttribute("open");
}
