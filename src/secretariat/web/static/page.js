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
    } else if (/^[a-z]$/.test(event.key)) {
      const near = event.target.closest?.("[data-keys]")
        ?? (event.target === document.body ? document.querySelector("details[data-keys][open]") : null);
      const button = near?.querySelector(`button[data-key="${event.key}"]`);
      if (button) { event.preventDefault(); button.click(); }
    }
  });

  for (const element of document.querySelectorAll("button[data-focus]")) {
    element.hidden = false;
    element.addEventListener("click", () => document.getElementById(element.dataset.focus)?.focus());
  }
  const aimed = /^#[\w-]+$/.test(location.hash) ? document.getElementById(location.hash.slice(1)) : null;
  if (aimed?.matches("details[data-keys]")) {
    const said = document.querySelector(".captured .now");
    const pane = said?.closest(".intake-text");
    // after the browser has gone to the fragment, which takes the focus away
    addEventListener("load", () => requestAnimationFrame(() => {
      aimed.querySelector("summary").focus();
      if (pane) pane.scrollTop += said.getBoundingClientRect().top - pane.getBoundingClientRect().top - pane.clientHeight / 3;
    }));
  }

  // on a narrow screen the part that is open may lie outside of its row
  for (const element of document.querySelectorAll(".rail a[aria-current], .tabs a[aria-current]")) {
    const row = element.closest(".rail, .tabs");
    const box = element.getBoundingClientRect(), around = row.getBoundingClientRect();
    if (box.right > around.right || box.left < around.left) row.scrollLeft += box.left - around.left - (around.width - box.width) / 2;
  }

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

  // A large file shows how far it has come; the answer is the same page that a plain form would get.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches("[data-upload]") || form.dataset.busy) return;
    event.preventDefault();
    form.dataset.busy = "1";
    const line = form.querySelector(".upload"), bar = line.querySelector("progress"), words = line.querySelector("span");
    const button = form.querySelector("button[type=submit]");
    const request = new XMLHttpRequest();
    const again = () => { delete form.dataset.busy; button.disabled = false; };
    line.hidden = false;
    button.disabled = true;
    words.textContent = words.dataset.sending;
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (at) => {
      if (at.lengthComputable) bar.value = (100 * at.loaded) / at.total;
    });
    request.upload.addEventListener("load", () => { bar.removeAttribute("value"); words.textContent = words.dataset.reading; });
    request.addEventListener("error", () => { words.textContent = words.dataset.lost; again(); });
    request.addEventListener("load", () => {
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const main = page.querySelector("main");
      if (!main) { again(); return; }
      document.title = page.title;
      document.querySelector("main").replaceWith(main);
      main.focus();
      window.scrollTo(0, 0);
    });
    request.send(new FormData(form));
  });

  // News that changes nothing here leaves the page as it is; what was opened stays open.
  let open = [];
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const shown = event.detail.target;
    if (!(shown instanceof HTMLElement) || !shown.matches("[data-digest]")) return;
    const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    const fresh = page.getElementById(shown.id);
    if (fresh && fresh.dataset.digest === shown.dataset.digest) event.detail.shouldSwap = false;
    open = [...shown.querySelectorAll("details[open][id]")].map((element) => element.id);
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    for (const id of open.splice(0)) document.getElementById(id)?.setAttribute("open", "");
  });

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
