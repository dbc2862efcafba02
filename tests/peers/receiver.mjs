// A receiver on Node with the public standardwebhooks package: verifies what comes and prints one JSON line for each.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const secrets = new Map();
const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts).toString();
    if (request.url.startsWith("/secret/")) {
      secrets.set(request.url.slice("/secret/".length), body);
      response.end();
      return;
    }
    let line;
    try {
      const found = new Webhook(secrets.get(request.url.slice(1))).verify(body, request.headers);
      line = { verified: true, type: found.type, data: found.data };
    } catch (error) {
      line = { verified: false, error: String(error) };
    }
    response.writeHead(line.verified ? 204 : 400).end();
    console.log(JSON.stringify(line));
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
