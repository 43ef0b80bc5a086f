// NATS for the worker: one connection, one subscription. Bundled with its library by `cargo xtask build`, and loaded only
// where a server has NATS.

import { wsconnect } from "@nats-io/nats-core";

/** How long a connection may take to come about, in milliseconds. */
const TIME_OUT = 10_000;

/**
 * Connects to `url` and subscribes to `subject`. `sign` answers the broker's challenge for `nkey`, or gives nothing for a
 * text that it does not sign. `report` is told "up", "hint", and at last "closed" or "strange". Returns what closes the
 * connection; nothing is reported from then on.
 */
export function listen(url, subject, nkey, sign, report) {
  let over = false;
  let strange = false;
  let connection;
  const tell = (what) => {
    if (!over) report(what);
  };
  const close = () => {
    over = true;
    connection?.close().catch(() => {});
  };
  const answer = (nonce) => {
    const sig = over ? undefined : sign(nonce ?? "");
    strange = !sig;
    if (strange) throw new Error("the broker's challenge is not answered");
    return { nkey, sig };
  };
  const run = async () => {
    // Whether and when to come back is the client's to decide, and only to the address that the server names.
    const options = { servers: url, reconnect: false, ignoreClusterUpdates: true, timeout: TIME_OUT };
    connection = await wsconnect({ ...options, authenticator: answer });
    if (over) return close();
    connection.subscribe(subject, { callback: (error) => (error ? connection.close() : tell("hint")) });
    await connection.flush();
    tell("up");
    await connection.closed();
  };
  run()
    .catch(() => {})
    .finally(() => {
      tell(strange ? "strange" : "closed");
      close();
    });
  return close;
}
