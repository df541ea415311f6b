// Scrolls a growing list to its newest entry, as a terminal does, unless the reader has scrolled up. The talk page uses it, too.

const NEAR_END_PX = 80; // a reader who has scrolled up further than this is not scrolled back

export class Following {
  #list;
  #scroller;
  #isFollowing = true;
  #followed = {}; // the heights of the scroller and its content at the last scroll

  /** `list` grows at its end, in the element `scroller`. */
  constructor(scroller, list) {
    this.#scroller = scroller;
    this.#list = list;
    this.#scroller.addEventListener("scroll", () => {
      const { scrollHeight, clientHeight } = this.#scroller;
      const hasMoved = scrollHeight !== this.#followed.scrollHeight || clientHeight !== this.#followed.clientHeight;
      if (this.#isFollowing && hasMoved) this.follow(); // the layout changed, the reader did not scroll
      else this.#look();
    });
    // Who unfolds an entry wants to read it.
    list.addEventListener("toggle", () => this.#look(), true);
    // Also when a list that was hidden is shown: only then can it be scrolled.
    new ResizeObserver(() => this.follow()).observe(this.#scroller);
  }

  /** The list has grown. */
  follow() {
    const { scrollHeight, clientHeight } = this.#scroller;
    if (!this.#isFollowing || clientHeight === 0 || this.#list.childElementCount === 0) return;
    this.#scroller.scrollTop = scrollHeight;
    this.#followed = { scrollHeight, clientHeight };
  }

  /** The list begins anew, or the reader has added to it: what comes now is followed. */
  restart() {
    this.#isFollowing = true;
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (clientHeight > 0) this.#isFollowing = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }
}
