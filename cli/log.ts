import { pino, type DestinationStream, type Logger } from "pino";

/** Names that a secret has anywhere in ours; what is logged under one of them is masked, down to the third level. */
const secretNames = [
  ...["authorization", "password", "eslPassword", "secret", "signingSecret", "voiceSigningSecret"],
  ...["secretAccessKey", "secretsKey", "apiKey", "api_key", "voice_signing_secret", "signing_secret"],
];

/** Lines of JSON on standard error (or where `out` says), secrets masked. */
export function createLog(level: string, out: DestinationStream = pino.destination(2)): Logger {
  const paths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino({ level, redact: paths }, out);
}
