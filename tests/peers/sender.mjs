// Sends CloudEvents with the public SDK in every content mode; prints the status of each.
import { CloudEvent, HTTP } from "cloudevents";

const [url, key] = process.argv.slice(2);
const event = new CloudEvent({ type: "peer.sent", source: "/peer", data: { n: 1 } });
for (const message of [HTTP.binary(event), HTTP.structured(new CloudEvent({ ...event, id: "second" }))]) {
  const headers = { ...message.headers, authorization: `Bearer ${key}` };
  const answer = await fetch(`${url}/api/v1/events`, { method: "POST", headers, body: message.body });
  console.log(JSON.stringify({ status: answer.status, body: await answer.json() }));
}
