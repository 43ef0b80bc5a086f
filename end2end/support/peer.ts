// A small independent client, written from the protocol's text alone: it registers, seals, posts, reads and opens. It
// shares no code with the app, so that it tests the app's protocol independently.

import {
  createCipheriv, createDecipheriv, createHash, createPrivateKey, createPublicKey, diffieHellman, hkdfSync, randomBytes,
  sign, type KeyObject,
} from 'node:crypto';
import { seedOf, unique } from './evidence.ts';

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type Envelope = Record<string, Json>;

export class Peer {
  private readonly signing: KeyObject;
  readonly primary: string;

  /** An identity that is registered already, with its seed. */
  constructor(private readonly origin: string, readonly handle: string, readonly seed: Buffer) {
    this.signing = privateKey('302e020100300506032b657004220420', seed);
    this.primary = `ed25519:${rawPublic(this.signing).toString('hex')}`;
  }

  /** The owner of an account of the app, by its recovery words. */
  static ofWords(origin: string, handle: string, words: string[]): Peer {
    return new Peer(origin, handle, seedOf(words));
  }

  static async register(origin: string, handle: string): Promise<Peer> {
    const peer = new Peer(origin, handle, randomBytes(32));
    const answer = await peer.post('/v1/register', peer.registration());
    if (answer.status !== 201) throw new Error(`registering @${handle}: ${answer.status} ${await answer.text()}`);
    return peer;
  }

  /** A signed registration, for this peer's handle unless a test wants another one. */
  registration(handle = this.handle): Envelope {
    const payload = {
      type: 'kez.chat.handle_registration', version: 1, handle, primary: this.primary, server: 'localhost',
      created_at: now(),
    };
    return {
      kez: 'handle_registration', payload,
      signature: { alg: 'ed25519-sha512-jcs', key: this.primary, sig: this.sign(canonical(payload)) },
    };
  }

  /** A sealed text message to `to`. */
  seal(to: string, text: string, chain?: { id: string; n: number; prev: string | null }): Envelope {
    const plaintext = JSON.stringify({
      id: randomBytes(13).toString('hex'), kind: 'text', text, sent_at: now(), ...(chain && { chain }),
    });
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.key(to, nonce), nonce);
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return this.envelope(to, nonce, ciphertext);
  }

  /** An envelope with a valid signature whose content does not decrypt. */
  sealNonsense(to: string): Envelope {
    return this.envelope(to, randomBytes(12), randomBytes(64));
  }

  /** Opens an envelope that the app has sealed for this peer. */
  open(envelope: Envelope): { kind: string; text?: string; id: string } {
    const nonce = Buffer.from(String(envelope.nonce), 'hex');
    const sealed = Buffer.from(String(envelope.ciphertext), 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', this.key(String(envelope.from), nonce), nonce);
    decipher.setAuthTag(sealed.subarray(-16));
    return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString());
  }

  async inbox(): Promise<Envelope[]> {
    const time = Math.floor(Date.now() / 1000);
    const signature = this.sign(`GET\n/v1/inbox/${this.handle}\nsince=0\n${time}`);
    const answer = await fetch(`${this.origin}/v1/inbox/${this.handle}?since=0`, {
      headers: { 'X-KEZ-Auth': `${time}:${signature}` },
    });
    if (answer.status !== 200) throw new Error(`inbox of @${this.handle}: ${answer.status}`);
    const page = (await answer.json()) as { items: { envelope: Envelope }[] };
    return page.items.map((item) => item.envelope);
  }

  async primaryOf(handle: string): Promise<string> {
    const answer = await fetch(`${this.origin}/v1/u/${handle}`);
    return ((await answer.json()) as { primary: string }).primary;
  }

  /** Posts an envelope, either as the given bytes or as ordinary JSON. */
  async deliver(handle: string, envelope: Envelope | string): Promise<Response> {
    const json = typeof envelope === 'string' ? envelope : JSON.stringify(envelope);
    const answer = await this.post('/v1/messages', `{"to":${JSON.stringify(handle)},"envelope":${json}}`);
    if (!answer.ok) throw new Error(`posting to @${handle}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  /** Sends a text that no other test uses, and returns it. */
  async say(handle: string, text: string): Promise<string> {
    const whole = unique(text);
    await this.deliver(handle, this.seal(await this.primaryOf(handle), whole));
    return whole;
  }

  private envelope(to: string, nonce: Buffer, ciphertext: Buffer): Envelope {
    const unsigned = {
      v: 1, type: 'kez.chat.message', from: this.primary, to, nonce: nonce.toString('hex'),
      ciphertext: ciphertext.toString('base64url'), created_at: now(),
    };
    return { ...unsigned, sig: this.sign(canonical(unsigned)) };
  }

  private key(theirs: string, nonce: Buffer): Buffer {
    const scalar = createHash('sha512').update(this.seed).digest().subarray(0, 32);
    const shared = diffieHellman({
      privateKey: privateKey('302e020100300506032b656e04220420', scalar),
      publicKey: x25519Public(Buffer.from(theirs.slice('ed25519:'.length), 'hex')),
    });
    return Buffer.from(hkdfSync('sha256', shared, nonce, 'kez-chat-msg-v1', 32));
  }

  private sign(text: string): string {
    return sign(null, Buffer.from(text), this.signing).toString('hex');
  }

  private post(path: string, body: Envelope | string): Promise<Response> {
    return fetch(this.origin + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }
}

/** The hash of an envelope for `prev`: the SHA-256 of its canonical form. */
export function hashOf(envelope: Envelope): string {
  return createHash('sha256').update(canonical(envelope)).digest('hex');
}

/** RFC 8785, limited to what the protocol signs: objects with ASCII names, ASCII texts and integers. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value && typeof value === 'object') {
    const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name]!)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}

/** A key from its raw bytes: the encoding of RFC 8410 is a constant prefix. */
function privateKey(prefix: string, raw: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), raw]), format: 'der', type: 'pkcs8' });
}

function rawPublic(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
}

/** Maps the Edwards y to the Montgomery u = (1 + y) / (1 - y), modulo 2^255 - 19. */
function x25519Public(ed25519: Buffer): KeyObject {
  const p = 2n ** 255n - 19n;
  const y = BigInt(`0x${Buffer.from(ed25519).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  const u = ((1n + y) * power(p + 1n - y, p - 2n, p)) % p;
  const raw = Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse();
  const prefix = Buffer.from('302a300506032b656e032100', 'hex');
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let b = base % modulus, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus) {
    if (e & 1n) result = (result * b) % modulus;
  }
  return result;
}
