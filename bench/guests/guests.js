// Guests on Node's `ws`: node guests.js URL DEPLOYMENT TEXT GUESTS SECONDS
// Each says the one text again and again, as soon as it has come back. Prints a JSON object.
const { randomUUID } = require("node:crypto");
const { WebSocket } = require("ws");

const [url, deploymentId, text, guests, seconds] = process.argv.slice(2);
const told = { requests: 0, failures: 0 };
const sockets = [];
let isOver = false;

function guest() {
  const token = randomUUID();
  const socket = new WebSocket(`${url}/v1?deploymentId=${deploymentId}`, { perMessageDeflate: false });
  let id = "";
  const ask = (action, more) => {
    id = randomUUID();
    socket.send(JSON.stringify({ action, token, tracingId: id, ...more }));
  };
  const say = () => ask("onMessage", { message: { type: "Text", text } });
  let isConfigured = false;
  sockets.push(socket);
  socket.on("open", () => ask("configureSession", { deploymentId, startNew: false }));
  socket.on("message", (data) => {
    const frame = JSON.parse(data.toString());
    if (frame.tracingId !== id || isOver) return;
    if (isConfigured) {
      told.requests += 1;
      if (frame.code !== 200) told.failures += 1;
    }
    isConfigured = true;
    say();
  });
  socket.on("error", () => (told.failures += 1));
}

for (let number = 0; number < Number(guests); number += 1) guest();
setTimeout(() => {
  isOver = true;
  for (const socket of sockets) socket.close();
  console.log(JSON.stringify(told));
}, Number(seconds) * 1000);
