// The notices about an agent's providers: a summary that unfolds.

import { element } from "./dom.js";
import { providerNotices } from "./messages.js";

const ROOMY = "(min-width: 761px) and (min-height: 600px)";

/** Shows the notices about an agent's providers in `container`, unfolded if there is room. Without notices it is empty. */
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

/** Folds the notices, to leave the room to the transcript during a call. */
export function foldNotices(container) {
  container.querySelector("details")?.removeAttribute("open");
}
