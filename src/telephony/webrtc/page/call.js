// The softphone. One call at a time: the microphone and the agent's voice go over WebRTC, what was heard
// and said comes over the data channel "events". A token may come in the address, after #token=.

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

let token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
let csrf = "";
let line = null; // the call there is

if (token) history.replaceState(null, "", location.pathname);

const state = (text) => { $("state").textContent = text; };
function problem(text) {
  $("problem").textContent = text || "";
  $("problem").hidden = !text;
}

async function ask(method, path, headers = {}, body = undefined) {
  const all = { ...headers };
  if (token) all.authorization = `Bearer ${token}`;
  else if (csrf) all["x-csrf-token"] = csrf;
  return fetch(path, { method, headers: all, body, cache: "no-store" });
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
  const mine = { sounds: new AudioContext(), pings: 0 };
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
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  mine.peer = peer;
  mine.events = peer.createDataChannel("events", { ordered: true });
  mine.events.onmessage = ({ data }) => told(mine, JSON.parse(data));
  mine.events.onclose = () => over(mine);
  for (const track of mine.mic.getAudioTracks()) peer.addTrack(track, mine.mic);
  peer.ontrack = ({ streams, track }) => {
    $("voice").srcObject = streams[0] || new MediaStream([track]);
    $("voice").play().catch(() => problem("The browser does not play the agent's voice. Press Call again."));
  };
  peer.onconnectionstatechange = () => {
    if (peer.connectionState === "connected") connected(mine);
    if (peer.connectionState === "failed") over(mine, "The box cannot be reached from here. Is this device in the same network, and is UDP let through?");
  };
  state("Calling");
  $("hangup").disabled = false;
  try {
    await peer.setLocalDescription(await peer.createOffer());
    const answer = await ask("POST", `/webrtc/${encodeURIComponent($("agent").value)}`, { "content-type": "application/sdp" }, peer.localDescription.sdp);
    if (!answer.ok) return over(mine, (await reason(answer)).text);
    mine.at = answer.headers.get("location");
    const sdp = await answer.text();
    if (line !== mine) return over(mine);
    await peer.setRemoteDescription({ type: "answer", sdp });
  } catch (error) {
    over(mine, `The call could not be set up: ${error.message}`);
  }
}

function connected(mine) {
  state("On the line");
  $("mute").disabled = false;
  setKeys(false);
  $("talk").hidden = false;
  mine.timer = setInterval(() => send(mine, { t: "ping", n: ++mine.pings }), 5000);
}

function send(mine, message) {
  if (mine.events && mine.events.readyState === "open") mine.events.send(JSON.stringify(message));
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
  if (mine.at) ask("DELETE", mine.at).catch(() => {});
  if (mine.peer) mine.peer.close();
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
  if (message.t === "waterfall") waterfall(message);
  if (message.t === "ended") mine.ended = CAUSES[message.cause] || "The call is over.";
  if (message.t === "bye") over(mine, message.reason === "nothing is heard of the browser" ? "The box heard nothing of this browser." : "");
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
