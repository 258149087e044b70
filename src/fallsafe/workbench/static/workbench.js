// What the pages do beyond being read: they stay true while they are open. Everything here is an addition; without it
// the same pages are read by loading them again.
"use strict";
(() => {
  const page = document.querySelector("[data-page]");
  const dot = document.getElementById("live");
  const STALE_AFTER = 60_000;

  // Times that pass ----------------------------------------------------------------------------------------------------
  const two = (seconds, large, largeWord, small, smallWord) => {
    const rest = Math.floor((seconds % large) / small);
    return `${Math.floor(seconds / large)} ${largeWord}` + (rest ? ` ${rest} ${smallWord}` : "");
  };
  const span = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 300) return two(seconds, 60, "m", 1, "s");
    if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
    if (seconds < 172800) return two(seconds, 3600, "h", 60, "m");
    return two(seconds, 86400, "d", 3600, "h");
  };
  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const tick_times = () => {
    if (document.hidden) return;
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-due]")) {
      const left = (Date.parse(time.dataset.due) - now) / 1000;
      write(time, left > 0 ? `${span(Math.floor(left))} left` : `${span(Math.floor(-left))} over`);
    }
    for (const time of document.querySelectorAll("time[data-since]"))
      write(time, span(Math.max(0, Math.floor((now - Date.parse(time.dataset.since)) / 1000))));
  };
  setInterval(tick_times, 1000);

  // The dot ------------------------------------------------------------------------------------------------------------
  const WORDS = { live: "Live", reconnecting: "Reconnecting", stale: "Stale: reload to be sure" };
  let heard = 0;
  const stale = () => heard && Date.now() - heard > STALE_AFTER;
  const show = (said) => {
    const state = said === "reconnecting" && stale() ? "stale" : said;
    if (!dot || dot.dataset.state === state) return;
    dot.dataset.state = state;
    dot.lastElementChild.textContent = WORDS[state];
    if (state === "stale") say("This page is stale. Reload it to be sure.");
  };
  const say = (text) => { document.getElementById("said").textContent = text; };
  setInterval(() => { if (stale()) show("stale"); }, 5000);

  // Reading again ------------------------------------------------------------------------------------------------------
  // A swap keeps what the reader had: unfolded details, typed text, the focus and the caret.
  let reading = false, again = null;
  const read = async (address) => {
    if (reading) { again = address; return; }
    reading = true;
    let folds, typed, ticked, focused, caret;
    const keep = () => {  // what the reader has when the answer is there, and not when it was asked for
      folds = new Map([...document.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
      typed = new Map([...document.querySelectorAll("input[id]:not([type=hidden], [type=checkbox])")].map((i) => [i.id, i.value]));
      ticked = new Set([...document.querySelectorAll("input[name=case]:checked")].map((i) => i.id));
      focused = document.activeElement?.id;
      caret = document.activeElement?.selectionStart;
    };
    keep();
    const said = () => document.querySelector(".states, #total")?.textContent;
    const before = said();
    document.addEventListener("htmx:beforeSwap", keep, { once: true });
    try {
      await htmx.ajax("GET", address(), { target: "body", swap: "none" });
      for (const [id, open] of folds) { const fold = document.getElementById(id); if (fold) fold.open = open; }
      for (const [id, text] of typed) { const input = document.getElementById(id); if (input && text) input.value = text; }
      for (const id of ticked) { const tick = document.getElementById(id); if (tick) tick.checked = true; }
      count();
      center();
      if (said() !== before) say(page.dataset.page === "case" ? "The states of this case have changed." : `${said()}`);
      const back = focused && document.getElementById(focused);
      if (back && back !== document.activeElement) {
        back.focus({ preventScroll: true });
        if (caret != null) back.setSelectionRange?.(caret, caret);
      }
      tick_times();
    } catch {
      show("reconnecting");
    } finally {
      reading = false;
      const next = again;
      again = null;
      if (next) setTimeout(read, 0, next);
    }
  };
  // A plan that is wider than its card shows its failing task first.
  let centered = null;
  const center = () => {
    const plan = document.querySelector(".plan"), box = plan?.querySelector(".box.failing");
    if (!box || plan === centered) return;
    centered = plan;
    const at = box.getBoundingClientRect(), frame = plan.getBoundingClientRect();
    plan.scrollLeft += at.left - frame.left - (frame.width - at.width) / 2;
  };
  const casePage = () => {
    const have = [...document.querySelectorAll("[id^=part-][data-digest]")].map((p) => `${p.id.slice(5)}:${p.dataset.digest}`);
    const query = new URLSearchParams({ have: have.join(","), show: page.dataset.show });
    if (page.dataset.whole) query.set("whole", "yes");
    return `/cases/${page.dataset.case}/parts?${query}`;
  };
  const desk = () => document.getElementById("desk");
  const rowsOf = (wanted) => () => {
    const { q, sort, seen, first } = desk().dataset;
    return `/queue/rows?${new URLSearchParams({ ids: wanted.join(","), q, sort, seen: first === "yes" ? seen : "" })}`;
  };
  // A page that is read as a whole is read again when what it is about moved, and not too often.
  const FRESH_EVERY = 3_000;
  let freshAt = 0, freshSoon = 0;
  const freshen = async () => {
    freshAt = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { "X-Part": "fresh" } });
      const next = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("fresh");
      const old = document.getElementById("fresh");
      if (!next || !old || old.innerHTML === next.innerHTML) return;
      // What the reader has now, and not when the page was asked for.
      const open = new Set([...document.querySelectorAll("#fresh details[open]")].map((d) => d.id)), focused = document.activeElement?.id;
      old.replaceWith(document.adoptNode(next));
      for (const d of document.querySelectorAll("#fresh details")) if (open.has(d.id)) d.open = true;
      document.getElementById(focused)?.focus({ preventScroll: true });
      say("This page has changed.");
      tick_times();
    } catch {
      show("reconnecting");
    }
  };
  const freshenSoon = () => {
    clearTimeout(freshSoon);
    freshSoon = setTimeout(freshen, Math.max(0, freshAt + FRESH_EVERY - Date.now()));
  };
  const onMoved = ({ orders = {}, cases = [] }) => {
    if (document.getElementById("fresh")) {
      if (!page.dataset.order || page.dataset.order in orders) freshenSoon();
      return;
    }
    if (page?.dataset.page === "case") {
      if (page.dataset.order in orders || cases.includes(page.dataset.case)) read(casePage);
    } else if (page?.dataset.page === "queue") {
      const rows = [...document.querySelectorAll("tr[data-case]")];
      const wanted = rows.filter((r) => r.dataset.order in orders || cases.includes(r.dataset.case)).map((r) => r.dataset.case);
      if (desk() && (wanted.length || cases.length)) read(rowsOf(wanted));
    }
  };
  const onAll = () => {
    if (page && document.getElementById("fresh")) freshenSoon();
    if (page?.dataset.page === "case") read(casePage);
    else if (page?.dataset.page === "queue" && desk()) read(rowsOf([...document.querySelectorAll("tr[data-case]")].map((r) => r.dataset.case)));
  };

  // One stream for the browser: the tab that holds the lock listens and passes on; when it closes, another takes over. ----
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("fallsafe") : null;
  let leading = false;
  const take = ({ kind, content }) => {
    if (kind === "hello") { if (leading && heard) channel.postMessage({ kind: "beat", content: {} }); return; }
    if (kind === "lost") { show("reconnecting"); return; }
    const first = !heard;
    heard = Date.now();
    show("live");
    if (kind === "moved") onMoved(content);
    // What moved between the reading of this page and its first word from the stream was not told to it.
    if (kind === "all" || first) onAll();
  };
  const pass = (kind, content) => { take({ kind, content }); channel?.postMessage({ kind, content }); };
  const listen = () => {
    const stream = new EventSource(document.body.dataset.live);
    let opened = false;
    stream.onopen = () => { pass(opened ? "all" : "beat", {}); opened = true; };
    stream.onerror = () => {
      pass("lost", {});
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
    for (const kind of ["moved", "all", "beat"]) stream.addEventListener(kind, (e) => pass(kind, JSON.parse(e.data)));
  };
  if (document.body.dataset.live && page) {
    if (channel) {
      channel.onmessage = (e) => take(e.data);
      channel.postMessage({ kind: "hello" });
    }
    const lead = () => { leading = true; if (heard) onAll(); listen(); return new Promise(() => {}); };
    if (channel && navigator.locks) navigator.locks.request("fallsafe-stream", lead);
    else lead();
    document.addEventListener("visibilitychange", () => { if (!document.hidden && stale()) onAll(); tick_times(); });
  }

  // The queue by keyboard ------------------------------------------------------------------------------------------------
  // Letters work where nothing is being typed and no dialog is open. j and k move the real focus, so that whatever reads
  // the page aloud follows.
  const KEYS_OFF = "fallsafe-keys-off";
  const rows = () => [...document.querySelectorAll("tr[data-case], tr[data-row]")];
  const at = () => document.activeElement?.closest?.("tr[data-case], tr[data-row]");
  const go = (step) => {
    const all = rows(), now = all.indexOf(at());
    const next = all[now < 0 ? (step > 0 ? 0 : all.length - 1) : now + step];
    next?.querySelector("a[id^=open-]").focus();
    if (next && peek()?.hidden === false) look(next);
  };
  const count = () => {
    const ticked = document.querySelectorAll("input[name=case]:checked").length, bar = document.getElementById("bar");
    if (!bar) return;
    bar.classList.toggle("floats", ticked > 0);
    document.getElementById("chosen").textContent = ticked ? `${ticked} ticked` : "Ticked cases";
    document.getElementById("with-ticked").disabled = !ticked;
  };
  let last = null;
  const tick = (row, many) => {
    const box = row?.querySelector("input[name=case]");
    if (!box) return;
    box.checked = !box.checked;
    if (many && last) {
      const all = rows(), [a, b] = [all.indexOf(last), all.indexOf(row)].sort((x, y) => x - y);
      for (const each of all.slice(a, b + 1)) each.querySelector("input[name=case]").checked = box.checked;
    }
    last = row;
    count();
  };
  const peek = () => document.getElementById("peek");
  const look = async (row) => {
    const panel = peek();
    if (!panel || !row) return;
    await htmx.ajax("GET", `/cases/${row.dataset.case}/peek`, { target: panel, swap: "innerHTML" });
    panel.hidden = false;
  };
  const press = (id) => document.getElementById(id)?.click();
  const GO = { q: "/queue", u: "/unknown", g: "/groups", p: "/approvals", s: "/downstreams", d: "/dashboard", a: "/audit" };
  const ACTS = {
    j: () => go(1), k: () => go(-1), x: () => tick(at()), X: () => tick(at(), true), n: () => press("take-next"),
    b: () => press("with-ticked"),
    r: () => document.querySelector("#part-repair :is(summary, a, button), #fresh :is(button, a)")?.focus(), "]": () => press("next-page"), "/": () => {
      const box = document.getElementById("q");
      box?.focus();
      box?.setSelectionRange(box.value.length, box.value.length);
    },
    " ": () => (peek()?.hidden === false ? (peek().hidden = true) : look(at())),
    "?": () => document.getElementById("keys")?.showModal(),
  };
  let leads = false;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      const word = document.getElementById("word");
      if (!word) return;
      event.preventDefault();
      word.select();
      return;
    }
    if (event.key === "Escape" && peek()?.hidden === false) { peek().hidden = true; return; }
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(KEYS_OFF)) return;
    if (document.querySelector("dialog[open]") || event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    if (event.key === " " && !at()) return;
    if (event.key === " " && event.target.matches("button, summary, input")) return;
    const to = leads && GO[event.key];
    leads = event.key === "g" && !leads;
    if (to) { location.assign(to); return; }
    const act = ACTS[event.key];
    if (act && !leads) { event.preventDefault(); act(); }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[name=case]")) { last = event.target.closest("tr"); count(); }
    if (event.target.id === "keys-off") {
      if (event.target.checked) localStorage.setItem(KEYS_OFF, "yes");
      else localStorage.removeItem(KEYS_OFF);
    }
  });
  const off = document.getElementById("keys-off");
  if (off) off.checked = Boolean(localStorage.getItem(KEYS_OFF));

  // A filter is a link; where it can, only the list is put in place of the list, and the address follows.
  let asked = 0;
  const narrow = async (address, push) => {
    const mine = ++asked;
    try {
      const answer = await fetch(address, { headers: { "X-Part": "desk" } });
      if (!answer.ok) { location.assign(address); return; }
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine !== asked) return;
      if (!next.getElementById("desk")) { location.assign(address); return; }
      const focused = document.activeElement?.id;
      const open = new Set([...document.querySelectorAll("#desk details[open]")].map((d) => d.id || d.className));
      for (const id of ["desk", "total", "acts"]) document.getElementById(id).replaceWith(document.adoptNode(next.getElementById(id)));
      for (const [form, name] of [[".filter", "q"], [".filter", "sort"]]) {
        const input = document.querySelector(`${form} [name=${name}]`);
        if (input) input.value = desk().dataset[name];
      }
      for (const d of document.querySelectorAll("#desk details")) if (open.has(d.id || d.className)) d.open = true;
      if (push) history.pushState({ desk: true }, "", address);
      document.getElementById(focused)?.focus({ preventScroll: true });
      count();
      tick_times();
      say(document.getElementById("total").textContent);
    } catch {
      location.assign(address);
    }
  };
  if (page?.dataset.page === "queue") {
    document.addEventListener("click", (event) => {
      const link = event.target.closest("#pulse a, .facets li a, .chips a, .sorts a, .pages a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button || !desk()) return;
      event.preventDefault();
      narrow(link.href, true);
    });
    window.addEventListener("popstate", () => narrow(location.href, false));
    count();
  }

  // Nothing that was written is lost: before a form leaves the page, the server is asked whether it would be heard. --------
  const GONE = {
    session: "Your session is over. Nothing was sent, and what you wrote is still here. Sign in again in another tab (fallsafe up prints a link), then send it again.",
    server: "The server does not answer. Nothing was sent, and what you wrote is still here. Send it again when it is back.",
    case: "What this page is about is not there any more.",
  };
  const tell = (before, text) => {
    document.getElementById("kept")?.remove();
    const box = document.createElement("div");
    box.id = "kept";
    box.className = "refusal";
    box.tabIndex = -1;
    box.setAttribute("role", "alert");
    box.append(Object.assign(document.createElement("p"), { textContent: text }));
    before.before(box);
    box.focus();
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target, button = event.submitter;
    if (form.method !== "post" || form.dataset.heard) return;
    event.preventDefault();
    if (form.dataset.asking) return;
    form.dataset.asking = "yes";
    try {
      const answer = await fetch("/session", { signal: AbortSignal.timeout(10_000) });
      if (answer.status === 401) { tell(form, GONE.session); return; }
      if (!answer.ok) { tell(form, GONE.server); return; }
      const token = form.querySelector("[name=csrf]");
      if (token) token.value = (await answer.json()).csrf;
      document.getElementById("kept")?.remove();
      form.dataset.heard = "yes";
      if (!form.isConnected) {  // the page was read anew meanwhile, and this form stands in it no more
        form.hidden = true;
        document.body.append(form);
      }
      form.requestSubmit(button);
      delete form.dataset.heard;
    } catch {
      tell(form, GONE.server);
    } finally {
      delete form.dataset.asking;
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status, top = document.querySelector(".page > :nth-child(2)");
    if (top && (status === 401 || status === 404)) tell(top, GONE[status === 401 ? "session" : "case"]);
  });
  document.addEventListener("paste", (event) => {
    const field = event.target, room = field.maxLength - (field.value?.length ?? 0) + ((field.selectionEnd ?? 0) - (field.selectionStart ?? 0));
    if (field.maxLength > 0 && (event.clipboardData?.getData("text").length ?? 0) > room) tell(field.form ?? field, `Not all of it fits: this field holds ${field.maxLength.toLocaleString('en')} letters. The rest was left out.`);
  });

  // Small comforts -----------------------------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const box = event.target.closest("a.box");
    const fold = box && document.getElementById(box.getAttribute("href").slice(1))?.closest("details");
    if (fold) fold.open = true;
  });
  center();
  document.getElementById("refusal")?.focus();
})();
