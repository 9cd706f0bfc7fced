/* What the page needs a script for: folded parts are made when they are opened, links open what they lead to, and the
   rows of the table of tests are filtered by claim, source and verdict and open, by mouse or keyboard, to their figure
   and record among the claims. Text reaches the page as text only (textContent, cloned nodes), or escaped as it was
   written. */
(() => {
  "use strict";
  const COLUMNS = ["claim", "source", "verdict"];
  const SHOWN = 1000;  // rows at a time: a browser needs many seconds to lay out 10,000
  const PAUSE = 1000;  // ms after the page has loaded, before work that nobody waits for
  const IDLE = { timeout: 1000 };  // ms, after which such work is done in a busy browser, too
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const table = () => document.getElementById("results-table");

  const make = (place, markup) => {
    const content = document.createElement("template");
    content.innerHTML = markup;  // escaped as it was written, as all of the page
    place.replaceWith(content.content);
  };

  // What is folded is text to a browser that runs scripts, and costs nothing until it is opened. That of a large page is
  // compressed, too.
  const unfold = async (fold) => {
    const text = fold?.querySelector("noscript");
    if (text) make(text, text.textContent);
    const packed = fold?.querySelector("[data-packed]");
    if (!packed) return;
    const bytes = Uint8Array.from(atob(packed.dataset.packed), (letter) => letter.charCodeAt(0));
    delete packed.dataset.packed;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    make(packed, await new Response(stream).text());
  };
  document.addEventListener("toggle", (event) => {
    if (event.target.matches("details.card, details.panels") && event.target.open) unfold(event.target);
  }, true);

  // So that a browser finds words in what is folded. What is compressed stays so.
  const unfoldAll = (idle) => {
    const text = document.querySelector("details noscript");
    if (!text) return;
    if (idle.didTimeout || idle.timeRemaining() > 10) make(text, text.textContent);
    requestIdleCallback(unfoldAll, IDLE);
  };

  const reveal = async (id) => {
    if (id.startsWith("claim-")) await unfold(document.getElementById(id));
    const holds = (text) => text.textContent.includes(`id="${id}"`);
    if (!document.getElementById(id)) await unfold(all("details noscript").find(holds)?.closest("details"));
    const target = document.getElementById(id);
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView({ block: "start" });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) setTimeout(() => reveal(link.getAttribute("href").slice(1)));
  });
  window.addEventListener("hashchange", () => reveal(location.hash.slice(1)));

  const record = async (row) => {
    const claim = row.querySelector(".col-claim")?.textContent;
    if (claim) await unfold(document.getElementById(`claim-${claim}`));
    const place = row.querySelector("[data-row]")?.dataset.row;
    const original = place && document.getElementById(place);
    if (!original) return null;
    const copies = [original.cloneNode(true)];
    if (original.nextElementSibling?.className.startsWith("made")) copies.push(original.nextElementSibling.cloneNode(true));
    const opened = document.createElement("div");
    opened.className = "sources opened";
    const head = original.closest("table").tHead.cloneNode(true);
    const body = document.createElement("tbody");
    body.append(...copies);
    const copy = document.createElement("table");
    copy.append(head, body);
    all("[id]", copy).forEach((one) => one.removeAttribute("id"));
    const link = document.createElement("a");
    link.href = `#${place}`;
    link.textContent = "Show it among the claim's verdicts";
    opened.append(copy, link);
    return opened;
  };

  const fill = async (body) => {
    const place = body.querySelector(".extraHTML");
    if (!place || place.childElementCount) return;
    const found = await record(body);
    if (found && !place.childElementCount) place.append(found);
  };

  // A row of the table of verdicts gets its place for the record when it is opened.
  const extrasOf = (body) => {
    const there = body.querySelector(".extras-row");
    if (there) return there;
    const made = document.createElement("tr");
    made.className = "extras-row hidden";
    const cell = made.insertCell();
    cell.colSpan = body.rows[0].cells.length;
    cell.className = "extraHTML";
    body.append(made);
    return made;
  };

  const toggle = (body) => {
    const extras = extrasOf(body);
    const shown = extras.classList.toggle("hidden");
    if (!shown) fill(body);
    body.querySelector(".collapsible button")?.setAttribute("aria-expanded", String(!shown));
  };

  const filters = {};
  const matches = (body) => COLUMNS.every((name) => {
    const wanted = filters[name]?.value;
    return !wanted || body.querySelector(`.col-${name}`)?.textContent === wanted;
  });

  // A row gets its button when it is first shown.
  const prepare = (body) => {
    const cell = body.querySelector(".collapsible > .col-result");
    if (!cell || cell.firstElementChild) return;
    const extras = body.querySelector(".extras-row");
    const open = Boolean(extras && !extras.classList.contains("hidden"));
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.setAttribute("aria-expanded", String(open));
    cell.replaceChildren(button);
    if (open) fill(body);
  };

  let limit = SHOWN;
  const apply = () => {
    let matching = 0;
    for (const body of all("tbody.results-table-row", table())) {
      const wanted = matches(body);
      body.hidden = !wanted || matching >= limit;
      matching += wanted;
      if (!body.hidden) prepare(body);
    }
    const more = document.getElementById("more-tests");
    more.hidden = matching <= limit;
    more.querySelector("span").textContent = `The first ${limit} of ${matching} rows are shown. `;
  };
  const restart = () => {
    limit = SHOWN;
    apply();
  };

  // What pytest-html leaves out for screen readers and the keyboard.
  const describe = () => {
    all("input[data-test-result]").forEach((box) => box.setAttribute("aria-label", box.nextElementSibling.textContent));
    all("#environment ul > ul:empty").forEach((one) => one.remove());
    const header = document.getElementById("environment-header");
    const shown = header.querySelector("h2");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = shown.textContent;
    shown.replaceChildren(button);
  };

  const start = () => {
    for (const name of COLUMNS) {
      const select = document.getElementById(`filter-${name}`);
      const values = new Set(all(`td.col-${name}`, table()).map((cell) => cell.textContent));
      for (const value of [...values].filter(Boolean).sort()) select.append(new Option(value, value));
      select.addEventListener("change", restart);
      filters[name] = select;
    }
    document.addEventListener("click", (event) => {
      const cell = event.target.closest("#results-table .collapsible td");
      if (!cell || event.target.closest("a")) return;
      event.stopPropagation();  // pytest-html would draw the whole table again
      toggle(cell.closest("tbody"));
    }, true);
    document.querySelector("#more-tests button").addEventListener("click", () => {
      limit += SHOWN;
      apply();
    });
    apply();
    // pytest-html draws its table anew whenever it sorts or filters.
    new MutationObserver(restart).observe(table().parentElement, { childList: true });
  };

  // pytest-html's script was held back (harness/suite/held_script.py): its table takes longer than all else on the page.
  const runHeld = (held) => {
    const { jsonblob } = document.getElementById("data-container").dataset;
    if (!/"format_type": "(image|video)"/.test(jsonblob)) {
      // A player and an image without a source in each row, which only a test that attached one needs.
      document.getElementById("template_results-table__tbody").content.querySelector(".media").replaceChildren();
    }
    const script = document.createElement("script");
    script.textContent = held.textContent;
    held.replaceWith(script);  // runs it
  };

  // The table of tests; on a page without a test session that of verdicts.
  let drawn = false;
  const draw = async () => {
    if (drawn) return;
    drawn = true;
    const held = document.getElementById("held-script");
    const verdicts = document.getElementById("all-verdicts");
    if (verdicts) await unfold(verdicts);
    if (held) runHeld(held);
    if (!verdicts) describe();
    start();
  };

  window.addEventListener("DOMContentLoaded", () => {
    if (location.hash) reveal(location.hash.slice(1));
    const place = table() || document.getElementById("all-verdicts");
    if (!place) return;
    window.addEventListener("beforeprint", draw);
    new IntersectionObserver((seen, observer) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      draw();
    }, { rootMargin: "100%" }).observe(place);
  });
  window.addEventListener("load", () => setTimeout(() => {
    requestIdleCallback(draw, IDLE);
    requestIdleCallback(unfoldAll, IDLE);
  }, PAUSE));
})();
