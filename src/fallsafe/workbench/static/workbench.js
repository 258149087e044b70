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
  const tick = () => {
    if (document.hidden) return;
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-due]")) {
      const left = (Date.parse(time.dataset.due) - now) / 1000;
      write(time, left > 0 ? `${span(Math.floor(left))} left` : `${span(Math.floor(-left))} over`);
    }
    for (const time of document.querySelectorAll("time[data-since]"))
      write(time, span(Math.max(0, Math.floor((now - Date.parse(time.dataset.since)) / 1000))));
  };
  setInterval(tick, 1000);

  // The dot ------------------------------------------------------------------------------------------------------------
  const WORDS = { live: "Live", reconnecting: "Reconnecting", stale: "Stale: reload to be sure" };
  let heard = 0;
  const show = (state) => {
    if (!dot || dot.dataset.state === state) return;
    dot.dataset.state = state;
    dot.lastElementChild.textContent = WORDS[state];
    if (state === "stale") say("This page is stale. Reload it to be sure.");
  };
  const say = (text) => { document.getElementById("said").textContent = text; };
  setInterval(() => { if (heard && Date.now() - heard > STALE_AFTER) show("stale"); }, 5000);

  // Reading again ------------------------------------------------------------------------------------------------------
  // A swap keeps what the reader had: unfolded details, typed text, the focus and the caret.
  let reading = false, again = null;
  const read = async (address) => {
    if (reading) { again = address; return; }
    reading = true;
    const folds = new Map([...document.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
    const typed = new Map([...document.querySelectorAll("input[id]:not([type=hidden])")].map((i) => [i.id, i.value]));
    const said = () => document.querySelector(".states, #total")?.textContent;
    const before = said();
    const focused = document.activeElement?.id, caret = document.activeElement?.selectionStart;
    try {
      await htmx.ajax("GET", address(), { target: "body", swap: "none" });
      for (const [id, open] of folds) { const fold = document.getElementById(id); if (fold) fold.open = open; }
      for (const [id, text] of typed) { const input = document.getElementById(id); if (input && text) input.value = text; }
      center();
      if (said() !== before) say(page.dataset.page === "case" ? "The states of this case have changed." : `${said()} open`);
      const back = focused && document.getElementById(focused);
      if (back && back !== document.activeElement) {
        back.focus({ preventScroll: true });
        if (caret != null) back.setSelectionRange?.(caret, caret);
      }
      tick();
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
  const rowsOf = (wanted) => () => `/queue/rows?${new URLSearchParams({ ids: wanted.join(",") })}`;
  const isNew = (id) => BigInt(id.slice(2)) >= BigInt(page.dataset.seen);
  const news = new Set();
  const tell = (cases) => {
    const pill = document.getElementById("news");
    if (page.dataset.first !== "yes") return;
    for (const id of cases) if (!document.getElementById(`row-${id}`) && isNew(id)) news.add(id);
    if (!news.size) return;
    pill.hidden = false;
    pill.querySelector("b").textContent = news.size;
  };
  const onMoved = ({ orders = {}, cases = [] }) => {
    if (page?.dataset.page === "case") {
      if (page.dataset.order in orders || cases.includes(page.dataset.case)) read(casePage);
    } else if (page?.dataset.page === "queue") {
      const rows = [...document.querySelectorAll("tr[data-case]")];
      const wanted = rows.filter((r) => r.dataset.order in orders || cases.includes(r.dataset.case)).map((r) => r.dataset.case);
      tell(cases);
      if (wanted.length || cases.length) read(rowsOf(wanted));
    }
  };
  const onAll = () => {
    if (page?.dataset.page === "case") read(casePage);
    else if (page?.dataset.page === "queue") read(rowsOf([...document.querySelectorAll("tr[data-case]")].map((r) => r.dataset.case)));
  };

  // One stream for the browser: the tab that holds the lock listens and passes on; when it closes, another takes over. ----
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("fallsafe") : null;
  let leading = false;
  const take = ({ kind, content }) => {
    if (kind === "hello") { if (leading && heard) channel.postMessage({ kind: "beat", content: {} }); return; }
    if (kind === "lost") { show("reconnecting"); return; }
    heard = Date.now();
    show("live");
    if (kind === "moved") onMoved(content);
    if (kind === "all") onAll();
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
    document.addEventListener("visibilitychange", () => { if (!document.hidden && heard && Date.now() - heard > STALE_AFTER) onAll(); tick(); });
  }

  // Small comforts -----------------------------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const box = event.target.closest("a.box");
    const fold = box && document.getElementById(box.getAttribute("href").slice(1))?.closest("details");
    if (fold) fold.open = true;
  });
  center();
  document.getElementById("refusal")?.focus();
})();
