// The window: exchanges the one-time code, reads books, agents and tasks, and reads them again when the stream says that
// something changed. It changes nothing but its own session.
"use strict";

const TASKS = 25;
// However much happens, the lists are read at most this often.
const PAUSE = 1000;
// As a task passes through them; a later server may know more.
const STATES = ["blocked", "scheduled", "ready", "running", "retrying", "parked", "succeeded", "failed", "dead", "cancelled", "expired"];
const COLOURS = {
  succeeded: "good", up: "good", running: "busy", draining: "busy",
  failed: "bad", dead: "bad", expired: "bad", lost: "bad", stalled: "bad",
};

const at = (id) => document.getElementById(id);
let stream = null;
let reading = false;
let again = false;

class Closed extends Error {}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" },
  };
  const answer = await fetch(path, options);
  const json = await answer.json();
  if (answer.status === 401) throw new Closed(json.detail);
  if (!answer.ok) throw new Error(json.detail);
  return json;
}

function element(name, text, colour) {
  const made = document.createElement(name);
  made.textContent = text;
  if (colour) made.className = colour;
  return made;
}

// A time as an age that goes on growing.
function age(time) {
  const made = element("time", "");
  made.dateTime = time;
  grow(made);
  return made;
}

function grow(made) {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(made.dateTime)) / 1000));
  const [size, unit] = seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 86400 ? [3600, "h"] : [86400, "d"];
  made.textContent = `${Math.floor(seconds / size)} ${unit}`;
}

function cell(content, colour) {
  const made = typeof content === "string" ? element("td", content, colour) : document.createElement("td");
  if (typeof content !== "string") made.append(content);
  return made;
}

function rows(id, items, none, make) {
  const made = items.map((item) => {
    const row = document.createElement("tr");
    row.append(...make(item));
    return row;
  });
  if (made.length === 0) {
    const only = cell(none);
    only.colSpan = 4;
    const row = document.createElement("tr");
    row.append(only);
    made.push(row);
  }
  at(id).replaceChildren(...made);
}

function number(content) {
  const made = cell(content);
  made.className = "number";
  return made;
}

function show(books, agents, tasks) {
  const states = [...new Set([...STATES, ...Object.keys(books.states)])].filter((state) => state in books.states);
  const counts = [["accepted", books.accepted], ["open", books.open], ["lost", books.lost], ...states.map((state) => [state, books.states[state]])];
  at("books").replaceChildren(...counts.map(([name, count]) => {
    const pair = document.createElement("div");
    const colour = count > 0 ? COLOURS[name] : undefined;
    pair.append(element("dt", name), element("dd", String(count), colour));
    return pair;
  }));
  rows("agents", agents.items, "No agents yet.", (agent) => [
    cell(agent.id), cell(agent.presence, COLOURS[agent.presence]),
    number(`${agent.busy}/${agent.slots}`), number(age(agent.seen_at)),
  ]);
  rows("tasks", tasks.items, "No tasks yet.", (task) => {
    const state = cell(task.state, COLOURS[task.state]);
    state.title = task.id;
    return [state, cell(task.kind), cell(task.agent ?? "–"), number(age(task.created_at))];
  });
}

async function read() {
  if (reading) {
    again = true;
    return;
  }
  reading = true;
  try {
    show(...await Promise.all([
      ask("/api/v1/books"),
      ask("/api/v1/agents?limit=100"),
      ask(`/api/v1/tasks?sort=-created_at&limit=${TASKS}`),
    ]));
    at("open").hidden = false;
    at("leave").hidden = false;
  } catch (error) {
    if (error instanceof Closed) close(error.message);
    else at("status").textContent = `Cannot read: ${error.message}`;
  }
  setTimeout(() => {
    reading = false;
    if (again && stream) {
      again = false;
      read();
    }
  }, PAUSE);
}

function listen() {
  stream = new EventSource("/api/v1/stream?topics=tasks,agents,lanes");
  stream.onopen = () => { at("status").textContent = "Live"; read(); };
  for (const name of ["task", "agent", "lane", "resync"]) stream.addEventListener(name, () => read());
  stream.onerror = () => {
    at("status").textContent = "The server is away; trying again…";
    // A refusal ends the stream for good; reading says why.
    if (stream && stream.readyState === EventSource.CLOSED) {
      stream = null;
      read();
      setTimeout(() => { if (!stream && at("closed").hidden) listen(); }, 5 * PAUSE);
    }
  };
}

function close(why) {
  if (stream) stream.close();
  stream = null;
  at("open").hidden = true;
  at("leave").hidden = true;
  at("closed").hidden = false;
  at("why").textContent = why;
  at("status").textContent = "Not logged in";
}

async function start() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  let why = "";
  if (code) {
    // A code in the address bar would go into the history, and be seen over shoulders.
    history.replaceState(null, "", location.pathname);
    await ask("/api/v1/login", { code }).catch((error) => { why = error.message; });
  }
  try {
    // A session from before is as good as a code.
    await ask("/api/v1/books");
  } catch (error) {
    close(why || error.message);
    return;
  }
  at("closed").hidden = true;
  listen();
}

at("leave").addEventListener("click", async () => {
  try {
    await ask("/api/v1/logout", {});
    close("You have logged out.");
  } catch (error) {
    close(error.message);
  }
});
window.addEventListener("hashchange", start);
setInterval(() => document.querySelectorAll("time").forEach(grow), 1000);
start();
