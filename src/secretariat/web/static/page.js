// Keys and live pages. Every page works without this file; it only saves a hand on the mouse.
(() => {
  "use strict";
  const typing = (element) =>
    element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      const search = document.getElementById("search");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "?") {
      const keys = document.getElementById("keys");
      if (keys && !keys.open) { event.preventDefault(); keys.showModal(); }
    } else if (event.key === "j" || event.key === "k") {
      const rows = [...document.querySelectorAll("main table tbody a, main details > summary")]
        .filter((element) => element.offsetParent !== null);
      if (!rows.length) return;
      const at = rows.indexOf(document.activeElement);
      const next = event.key === "j" ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0);
      event.preventDefault();
      rows[next].focus();
    } else if (event.key === "t") {
      const field = document.getElementById("true_on");
      if (field) { event.preventDefault(); field.focus(); }
    }
  });

  for (const element of document.querySelectorAll("select[data-submit]")) {
    element.addEventListener("change", () => element.form.requestSubmit());
  }
  for (const element of document.querySelectorAll("button[data-print]")) {
    element.hidden = false;
    element.addEventListener("click", () => window.print());
  }
  for (const element of document.querySelectorAll("button[data-copy]")) {
    element.hidden = false;
    element.addEventListener("click", () =>
      navigator.clipboard.writeText(document.getElementById(element.dataset.copy).textContent.trim()));
  }

  const address = document.body.dataset.live;
  if (address && "EventSource" in window) {
    const source = new EventSource(address);
    const show = (state) => document.body.setAttribute("data-live-state", state);
    let told = 0;
    const tell = () => {
      if (told) return;
      told = window.setTimeout(() => { told = 0; window.htmx && window.htmx.trigger(document.body, "live"); }, 400);
    };
    source.onopen = () => show("open");
    source.onerror = () => show("lost");
    for (const kind of (document.body.dataset.liveKinds || "change").split(" ")) source.addEventListener(kind, tell);
    window.addEventListener("pagehide", () => source.close());
  }
})();
