// Keeps a run's page up to date: parts come by server-sent events and replace the element of their id; clocks tick here.
"use strict";
(() => {
  const body = document.body;
  const stream = body.dataset.stream;
  const live = document.getElementById("live");

  // -- clocks

  const spell = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const two = (number) => String(number).padStart(2, "0");
    if (hours) return `${hours} h ${two(minutes)} m`;
    return minutes ? `${minutes} m ${two(whole % 60)} s` : `${whole} s`;
  };
  const tick = () => {
    for (const element of document.querySelectorAll(".ticks")) {
      const { since, until } = element.dataset;
      const seconds = (since ? Date.now() - Date.parse(since) : Date.parse(until) - Date.now()) / 1000;
      const text = until && seconds <= 0 ? "no time: it has expired" : spell(seconds);
      if (element.textContent !== text) element.textContent = text;
    }
  };
  setInterval(tick, 1000);
  tick();

  // -- the insides of a step, loaded when it is unfolded; of a stage, when it came empty

  const load = async (details) => {
    const { into } = details.dataset;
    const part = details.querySelector(into || ".part");
    if (into && part.childElementCount) return;
    try {
      const answer = await fetch(details.dataset.part, { credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      part.innerHTML = await answer.text();
      tick();
    } catch {
      // the link inside still leads there
    }
  };
  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (details.open && details.dataset.part) load(details);
  }, true);

  // -- parts that change

  const keep = (old, fresh) => {
    for (const one of old.querySelectorAll("details[open]")) {
      const same = one.id ? fresh.querySelector(`#${CSS.escape(one.id)}`) : fresh.querySelector("details");
      if (!same) continue;
      const inside = one.querySelector(".part"), place = same.querySelector(".part");
      if (inside && place) place.replaceWith(inside);
      same.open = true;
      if (same.dataset.part) setTimeout(() => load(same), 200);
    }
    for (const field of old.querySelectorAll("textarea, input[type=text]")) {
      const same = fresh.querySelector(`[name="${field.name}"]`);
      if (same) same.value = field.value;
    }
  };
  const replace = (id, html) => {
    const old = document.getElementById(id);
    if (!old) return;
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    const fresh = holder.content.firstElementChild;
    if (fresh.outerHTML === old.dataset.was) return;
    const was = fresh.outerHTML;
    const name = old.contains(document.activeElement) ? document.activeElement.id || document.activeElement.name : null;
    keep(old, fresh);
    fresh.dataset.was = was;
    old.replaceWith(fresh);
    // The stage that the run has come to unfolds; one that a person has folded since stays so.
    if ("now" in fresh.dataset && !("now" in old.dataset)) fresh.closest("details").open = true;
    if (name) (document.getElementById(name) || fresh.querySelector(`[name="${CSS.escape(name)}"]`) || fresh).focus?.();
  };

  // -- the map of the fleet: one cell is in the order of Tab, the arrow keys move it; a click shows the machine's log

  const cells = document.getElementById("cells");
  const panel = document.getElementById("node");
  const all = cells ? [...cells.querySelectorAll("a")] : [];
  const named = new Map(all.map((cell) => [cell.dataset.node, cell]));
  let shown = null;
  const show = async (cell) => {
    shown = cell.dataset.node;
    cells.querySelector("[aria-current]")?.removeAttribute("aria-current");
    cell.setAttribute("aria-current", "true");
    try {
      const answer = await fetch(`${cell.href}?part`, { credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      const html = await answer.text();
      if (shown === cell.dataset.node) { panel.innerHTML = html; tick(); }
    } catch {
      location.href = cell.href;
    }
  };
  const paint = (states) => {
    for (const [name, state] of Object.entries(states)) {
      const cell = named.get(name);
      if (!cell || cell.title === `${name}: ${state}`) continue;
      cell.className = cell.className.replace(/is-(?!other)\w+/, `is-${state}`);
      cell.title = `${name}: ${state}`;
      cell.setAttribute("aria-label", cell.title);
      if (name === shown) show(cell);
    }
  };
  if (cells) {
    all.forEach((cell, number) => { cell.tabIndex = number ? -1 : 0; });
    cells.addEventListener("click", (event) => {
      const cell = event.target.closest("a");
      if (!cell || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(cell);
      if (panel.getBoundingClientRect().top > innerHeight) panel.scrollIntoView();
    });
    cells.addEventListener("keydown", (event) => {
      const here = all.indexOf(document.activeElement);
      const row = all.findIndex((cell) => cell.offsetTop > all[0].offsetTop);
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
      const next = event.key === "Home" ? all[0] : event.key === "End" ? all.at(-1) : all[here + by];
      if (here < 0 || !next) return;
      event.preventDefault();
      all[here].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    document.getElementById("find").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase();
      for (const cell of all) cell.classList.toggle("is-other", !cell.title.includes(words));
    });
  }

  // -- what is asked for again while it goes on, with the end of its output in sight

  const again = async () => {
    const part = document.querySelector("[data-again]");
    if (!part) return;
    try {
      const answer = await fetch(part.dataset.again, { credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) { replace(part.id, await answer.text()); tick(); }
    } catch {
      // asked again below
    }
    setTimeout(again, 1500);
  };
  again();

  let last = null;
  const connect = () => {
    const source = new EventSource(last === null ? stream : stream.replace(/after=\d+/, `after=${last}`));
    source.onopen = () => { live.textContent = ""; };
    source.addEventListener("parts", (event) => {
      const { seq, parts, cells: states } = JSON.parse(event.data);
      last = seq;
      if (states) paint(states);
      for (const [id, html] of Object.entries(parts)) replace(id, html);
      const state = document.querySelector("#head .state");
      if (state) document.title = document.title.replace(/^[^:]+:/, `${state.textContent}:`);
      tick();
    });
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("ended", () => location.reload());
    source.onerror = () => {
      live.textContent = "The connection is lost. Trying again …";
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
    };
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  if (stream) connect();
})();
