// The softphone. One call at a time: the microphone and the agent's voice go over WebRTC, what was heard
// and said comes over the data channel "events". A connection that breaks is made anew by itself. A token may come in the address, after #token=.

const $ = (id) => document.getElementById(id);
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const STEPS = [
  ["endpoint", "End of the turn known"], ["stt_final", "Words recognised"], ["llm_first_token", "Language model begins"],
  ["first_clause", "First clause written"], ["tts_first_audio", "First sound made"], ["first_frame_out", "First sound sent"],
];
const CAUSES = {
  caller_hung_up: "You hung up.", goodbye: "The conversation is over.", transferred: "You talked to a person.", human_wanted: "You asked for a person; nobody is free.",
  too_many_failures: "Too much went wrong; the agent gave up.", inactivity: "Nothing was said for too long.",
  max_duration: "The call reached its longest time.", media_lost: "The connection was lost.", drained: "The box is stopping.",
  internal_error: "A fault inside the box ended the call.", operator: "An operator ended the call.",
};

// A connection that was disconnected for so long (ms) is given up for another, which is tried again after these.
const DOUBT = 2000;
// The box sends a packet every 20 ms, sound or silence: without any for so long (ms) the connection is gone, which
// the browser itself finds out later.
const SILENCE = 3000;
const PAUSES = [0, 1000, 1000, 2000, 3000, 4000, 5000, 5000];
const OPEN_WITHIN = 7000;

let token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
let csrf = "";
let line = null; // the call there is

if (token) history.replaceState(null, "", location.pathname);

const state = (text) => { $("state").textContent = text; };
function problem(text) {
  $("problem").textContent = text || "";
  $("problem").hidden = !text;
}

async function ask(method, path, headers = {}, body = undefined, within = undefined) {
  const all = { ...headers };
  if (token) all.authorization = `Bearer ${token}`;
  else if (csrf) all["x-csrf-token"] = csrf;
  const signal = within && AbortSignal.timeout(within);
  return fetch(path, { method, headers: all, body, signal, cache: "no-store" });
}

async function reason(response) {
  const told = await response.json().catch(() => ({}));
  const wait = response.headers.get("retry-after");
  const later = wait ? ` Try again in ${wait} seconds.` : "";
  return { text: (told.detail || `The box answered ${response.status}.`) + later, code: told.reason };
}

// Who is there, and whom they may call.
async function arrive() {
  const me = await ask("GET", "/api/me");
  csrf = me.ok ? ((await me.json()).csrf || "") : "";
  const list = await ask("GET", "/webrtc");
  $("login").hidden = list.status !== 401;
  $("phone").hidden = !list.ok;
  if (list.status === 401) {
    if (token) problem("The token in the address is not valid any more. Log in, or ask for a new one.");
    $("name").focus();
    return;
  }
  if (!list.ok) return problem((await reason(list)).text);
  const { agents } = await list.json();
  $("agent").replaceChildren(...agents.map((agent) => {
    const option = new Option(`${agent.name} (${agent.languages.join(", ")})`, agent.name);
    option.selected = agent.default;
    return option;
  }));
  $("call").disabled = agents.length === 0;
  if (agents.length === 0) problem("There is no agent that takes your calls.");
  if (!navigator.mediaDevices) {
    $("call").disabled = true;
    problem("The browser gives this page no microphone, because the address is not secure. Open it over HTTPS, and install the box's certificate (below) so that the browser trusts it.");
  }
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem("");
  token = "";
  const code = $("code").value.trim();
  const body = { login: $("name").value, password: $("password").value, ...(code && { code }) };
  const answer = await ask("POST", "/api/login", { "content-type": "application/json" }, JSON.stringify(body));
  if (answer.ok) {
    $("password").value = $("code").value = "";
    return arrive();
  }
  const why = await reason(answer);
  if (why.code === "code_needed") {
    $("second").hidden = false;
    $("code").focus();
  }
  problem(why.text);
});

function micProblem(error) {
  switch (error.name) {
    case "NotAllowedError": return "The microphone is not allowed for this page. Allow it in the browser's settings for this address.";
    case "NotFoundError": return "There is no microphone. Connect one and call again.";
    case "NotReadableError": return "The microphone is used by another program.";
    default: return `The microphone does not work: ${error.message}`;
  }
}

async function call() {
  problem("");
  $("lines").replaceChildren();
  $("times").hidden = true;
  $("call").disabled = true;
  state("Asking for the microphone");
  const mine = { sounds: new AudioContext(), pings: 0, peers: [] };
  line = mine;
  try {
    mine.mic = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (error) {
    return over(mine, micProblem(error));
  }
  if (line !== mine) return over(mine);
  meter(mine);
  state("Calling");
  $("hangup").disabled = false;
  try {
    const refused = await connect(mine, `/webrtc/${encodeURIComponent($("agent").value)}`);
    if (refused) over(mine, refused.text);
  } catch (error) {
    over(mine, `The call could not be set up: ${error.message}`);
  }
}

// A connection of its own for the call: the first begins it, a later one carries it on. Gives what the box said
// if it was refused.
async function connect(mine, path, within) {
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  mine.peers.push(peer);
  const current = () => !mine.done && mine.peers.at(-1) === peer;
  peer.events = peer.createDataChannel("events", { ordered: true });
  peer.events.onmessage = ({ data }) => current() && told(mine, JSON.parse(data));
  peer.events.onclose = () => current() && broken(mine);
  for (const track of mine.mic.getAudioTracks()) peer.addTrack(track, mine.mic);
  peer.ontrack = ({ streams, track }) => {
    if (!current()) return;
    $("voice").srcObject = streams[0] || new MediaStream([track]);
    $("voice").play().catch(() => problem("The browser does not play the agent's voice. Press Call again."));
  };
  peer.onconnectionstatechange = () => {
    if (!current()) return;
    clearTimeout(mine.doubt);
    if (peer.connectionState === "connected") connected(mine);
    if (peer.connectionState === "disconnected") mine.doubt = setTimeout(() => current() && broken(mine), DOUBT);
    if (peer.connectionState === "failed") broken(mine);
  };
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await ask("POST", path, { "content-type": "application/sdp" }, peer.localDescription.sdp, within);
  if (!answer.ok) return { ...await reason(answer), status: answer.status };
  mine.at = answer.headers.get("location");
  const sdp = await answer.text();
  // Who hung up meanwhile did not know yet where.
  if (mine.done) return void ask("DELETE", mine.at).catch(() => {});
  await peer.setRemoteDescription({ type: "answer", sdp });
}

// The connection is gone. The call waits for a while on the box, and is carried on over another.
async function broken(mine) {
  if (mine.done || mine.mending) return;
  if (!mine.open) return over(mine, "The box cannot be reached from here. Is this device in the same network, and is UDP let through?");
  mine.mending = true;
  mine.open = false;
  clearInterval(mine.watch);
  // What still gets through would tell the box that somebody is there.
  for (const sender of mine.peers.at(-1).getSenders()) sender.replaceTrack(null).catch(() => {});
  state("The connection is gone; connecting again");
  for (const pause of PAUSES) {
    await new Promise((wake) => { setTimeout(wake, pause); });
    if (mine.done) return;
    try {
      const refused = await connect(mine, mine.at, OPEN_WITHIN);
      if (refused && [401, 403, 404].includes(refused.status)) return over(mine, `The connection was lost. ${refused.text}`);
      if (!refused && await opened(mine)) {
        mine.mending = false;
        for (const old of mine.peers.splice(0, mine.peers.length - 1)) old.close();
        return;
      }
    } catch (error) {
      console.info("an attempt to connect again came to nothing:", error.message);
    }
    if (mine.done) return;
  }
  over(mine, "The connection was lost.");
}

// Whether the newest connection opens in time.
async function opened(mine) {
  for (const until = performance.now() + OPEN_WITHIN; performance.now() < until && !mine.done && !mine.open;) {
    await new Promise((wake) => { setTimeout(wake, 100); });
  }
  return mine.open;
}

function connected(mine) {
  mine.open = true;
  state("On the line");
  clearInterval(mine.timer);
  $("mute").disabled = false;
  setKeys(false);
  $("talk").hidden = false;
  mine.timer = setInterval(() => send(mine, { t: "ping", n: ++mine.pings }), 5000);
  clearInterval(mine.watch);
  const heard = { packets: 0, at: performance.now() };
  mine.watch = setInterval(() => listen(mine, mine.peers.at(-1), heard).catch(() => {}), 1000);
}

async function listen(mine, peer, heard) {
  let packets = 0;
  for (const entry of (await peer.getStats()).values()) if (entry.type === "inbound-rtp") packets += entry.packetsReceived;
  const now = performance.now();
  // A page that was asleep has heard nothing and knows nothing.
  if (packets !== heard.packets || now - heard.looked > SILENCE) Object.assign(heard, { packets, at: now });
  heard.looked = now;
  if (now - heard.at > SILENCE && mine.open && mine.peers.at(-1) === peer) broken(mine);
}

function send(mine, message) {
  const events = mine.peers.at(-1)?.events;
  if (events && events.readyState === "open") events.send(JSON.stringify(message));
}

function meter(mine) {
  const ear = mine.sounds.createAnalyser();
  mine.sounds.createMediaStreamSource(mine.mic).connect(ear);
  const wave = new Float32Array(ear.fftSize);
  const look = () => {
    if (line !== mine) return;
    ear.getFloatTimeDomainData(wave);
    const rms = Math.sqrt(wave.reduce((sum, s) => sum + s * s, 0) / wave.length);
    $("level").value = Math.min(100, Math.round(300 * rms));
    requestAnimationFrame(look);
  };
  look();
}

function over(mine, why) {
  if (mine.done) return;
  mine.done = true;
  clearInterval(mine.timer);
  clearInterval(mine.watch);
  clearTimeout(mine.hushed);
  $("voice").muted = false;
  if (mine.at) ask("DELETE", mine.at).catch(() => {});
  clearTimeout(mine.doubt);
  for (const peer of mine.peers) peer.close();
  if (mine.mic) mine.mic.getTracks().forEach((track) => track.stop());
  mine.sounds.close();
  if (line !== mine) return;
  line = null;
  problem(why);
  state(mine.ended || (why ? "Not connected" : "The call is over."));
  $("level").value = 0;
  $("call").disabled = false;
  $("hangup").disabled = true;
  $("mute").disabled = true;
  $("mute").setAttribute("aria-pressed", "false");
  setKeys(true);
  $("call").focus();
}

function told(mine, message) {
  if (message.t === "heard") say("caller", "You", message.text, "", message.lang);
  if (message.t === "said") {
    const heard = message.cut ? message.heard : message.text;
    const rest = message.cut ? message.text.slice(heard.length) : "";
    say("agent", "Agent", heard, rest, message.lang);
  }
  if (message.t === "clear") hush(mine, message.ms);
  if (message.t === "waterfall") waterfall(message);
  if (message.t === "ended") mine.ended = CAUSES[message.cause] || "The call is over.";
  if (message.t === "bye") over(mine, message.reason === "nothing is heard of the browser" ? "The box heard nothing of this browser." : "");
}

// The caller has begun to speak: what the browser has got of the agent's voice and not played is not to be heard.
function hush(mine, ms) {
  clearTimeout(mine.hushed);
  $("voice").muted = true;
  mine.hushed = setTimeout(() => { $("voice").muted = false; }, ms);
}

function say(kind, name, text, cut, lang) {
  if (!text && !cut) return;
  const item = document.createElement("li");
  item.className = kind;
  const who = document.createElement("span");
  who.className = "who";
  who.textContent = name;
  const words = document.createElement("span");
  words.lang = lang;
  words.textContent = text;
  item.append(who, words);
  if (cut) {
    const rest = document.createElement("span");
    rest.className = "cut";
    rest.lang = lang;
    rest.textContent = ` ${cut.trim()}`;
    item.append(rest);
  }
  $("lines").append(item);
  while ($("lines").children.length > 200) $("lines").firstChild.remove();
  $("lines").scrollTop = $("lines").scrollHeight;
}

function waterfall({ times, way }) {
  const longest = Math.max(1, ...STEPS.map(([key]) => times[key] || 0));
  $("times-sum").textContent = `Answered by ${way}${times.first_frame_out ? `, first sound after ${times.first_frame_out} ms` : ""}`;
  $("steps").replaceChildren(...STEPS.filter(([key]) => times[key] != null).map(([key, name]) => {
    const row = document.createElement("tr");
    const step = document.createElement("th");
    step.scope = "row";
    step.textContent = name;
    const time = document.createElement("td");
    const bar = document.createElement("progress");
    bar.max = longest;
    bar.value = times[key];
    bar.setAttribute("aria-hidden", "true");
    time.append(`${times[key]} ms `, bar);
    row.append(step, time);
    return row;
  }));
  $("times").hidden = false;
}

function setKeys(disabled) {
  for (const key of $("keys").children) key.disabled = disabled;
}

for (const key of KEYS) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.setAttribute("aria-label", { "*": "star", "#": "hash" }[key] || key);
  button.disabled = true;
  button.addEventListener("click", () => line && send(line, { t: "dtmf", d: key }));
  $("keys").append(button);
}

$("call").addEventListener("click", call);
$("hangup").addEventListener("click", () => {
  if (!line) return;
  send(line, { t: "ctl", op: "hangup" });
  line.ended = CAUSES.caller_hung_up;
  over(line);
});
$("mute").addEventListener("click", () => {
  if (!line || !line.mic) return;
  const muted = $("mute").getAttribute("aria-pressed") !== "true";
  line.mic.getAudioTracks().forEach((track) => { track.enabled = !muted; });
  $("mute").setAttribute("aria-pressed", String(muted));
});
addEventListener("pagehide", () => line && over(line));

arrive().catch((error) => problem(`The box cannot be reached: ${error.message}`));
