import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { ForkPort } from "../../engine/streams/fork-port.ts";
import { frameSamples } from "../../engine/streams/sound-format.ts";

describe("streams: the UDP port that hears a leg", () => {
  let its: Socket;
  let port: ForkPort;
  const others: Socket[] = [];
  const heard: Int16Array[] = [];
  const frame = (value: number) => Buffer.from(new Int16Array(frameSamples).fill(value).buffer);
  const socketOn = async (host: string) => {
    const socket = createSocket("udp4").bind(0, host);
    await once(socket, "listening");
    return socket;
  };
  before(async () => {
    its = await socketOn("127.0.0.1");
    port = await ForkPort.open("127.0.0.1", { host: "127.0.0.1", port: its.address().port });
    port.onFrame((pcm) => heard.push(pcm));
  });
  after(() => {
    port.close();
    for (const socket of [its, ...others]) socket.close();
  });
  const send = (socket: Socket, bytes: Buffer) =>
    new Promise<void>((resolve) => socket.send(bytes, port.port, "127.0.0.1", () => resolve()));

  it("hears the one address and port of the switch, whole frames, and nobody else", async () => {
    // Another port of the same machine, and the same port of another address.
    others.push(await socketOn("127.0.0.1"));
    const elsewhere = createSocket("udp4").bind(its.address().port, "127.0.0.2");
    await once(elsewhere, "listening");
    others.push(elsewhere);
    for (const stranger of others) for (let times = 0; times < 50; times++) await send(stranger, frame(1));
    for (const length of [0, 1, frameSamples, frameSamples * 2 - 1, frameSamples * 2 + 1, 9_000])
      await send(its, Buffer.alloc(length, 1));
    assert.deepEqual(heard, []);

    await send(its, frame(7));
    await port.first;
    while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      heard.map((pcm) => pcm[0]),
      [7],
    );
  });
});
