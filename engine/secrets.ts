import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
} from "node:crypto";
import type { Ids } from "./ids.ts";

/** Secrets that we must be able to read again (signing secrets) are kept sealed; those we only compare are hashed. */
export interface Secrets {
  seal(plain: string): string;
  /** Throws when the text was not sealed with this key, or was changed. */
  open(sealed: string): string;
  /** A keyed hash, hex: the same for the same text, and of use to nobody without the key. */
  pseudonym(text: string): string;
}

/** Hex: all that is kept of what is handed out once (a key, a link, a cookie). */
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** AES-256-GCM under one 32-byte key; the sealed text is `v1.<nonce>.<tag>.<ciphertext>`, base64url. */
export function aesSecrets(keyBytes: Buffer, ids: Ids): Secrets {
  if (keyBytes.length !== 32) throw new Error("The key that seals secrets must be 32 bytes.");
  const key = createSecretKey(keyBytes);
  const pseudonymKey = Buffer.from(hkdfSync("sha256", key, "", "sautikit pseudonyms", 32));
  return {
    seal(plain) {
      const nonce = ids.bytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      const text = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return ["v1", ...[nonce, cipher.getAuthTag(), text].map((part) => part.toString("base64url"))].join(
        ".",
      );
    },
    open(sealed) {
      const [version, nonce, tag, text] = sealed.split(".");
      if (version !== "v1" || nonce === undefined || tag === undefined || text === undefined) {
        throw new Error("Not a sealed secret.");
      }
      const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64url"));
      decipher.setAuthTag(Buffer.from(tag, "base64url"));
      return Buffer.concat([decipher.update(Buffer.from(text, "base64url")), decipher.final()]).toString(
        "utf8",
      );
    },
    pseudonym: (text) => createHmac("sha256", pseudonymKey).update(text, "utf8").digest("hex"),
  };
}

/** After a rotation the secret before signs too, for so long. */
export const rotationOverlapMs = 24 * 3_600_000;

/** `whsec_` + base64 of 32 bytes, as Standard Webhooks has it. */
export const newSigningSecret = (ids: Ids): string => `whsec_${ids.bytes(32).toString("base64")}`;
