import { S3Error } from "./errors.ts";

export interface XmlElement {
  name: string;
  content: string | number | boolean | XmlElement[];
}

/** Undefined content leaves the element out: `[...optional("ETag", etag)]`. */
export const optional = (name: string, content: XmlElement["content"] | undefined): XmlElement[] =>
  content === undefined ? [] : [element(name, content)];

export const element = (name: string, content: XmlElement["content"]): XmlElement => ({ name, content });

/** A whole document. Results are in S3's namespace, an `Error` is in none: boto3 overlooks it in any. */
export function renderXml(root: XmlElement): string {
  const namespace = root.name === "Error" ? "" : ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n${render(root, namespace)}`;
}

function render({ name, content }: XmlElement, attributes = ""): string {
  const body = Array.isArray(content)
    ? content.map((child) => render(child)).join("")
    : escapeXml(String(content));
  return `<${name}${attributes}>${body}</${name}>`;
}

/** Control characters go out as references, as S3 sends them, so that a key keeps its line break. */
const escapeXml = (text: string): string =>
  text.replace(/[&<>"'\u0000-\u001f\u007f-\u009f]/g, (character) => `&#${character.charCodeAt(0)};`);

const depthMax = 8;
const token = /<(\/?)([A-Za-z_][\w.-]*)((?:\s[^<>]*|\/)?)>|([^<]+)/y;

/**
 * The few elements S3 clients send us, nothing more of XML: no DOCTYPE, entity declarations, CDATA or comments,
 * and namespaces ignored. Throws `MalformedXML`.
 */
export function parseXml(bytes: Buffer): XmlElement {
  const text = decodeUtf8(bytes).replace(/^\ufeff?\s*(<\?xml[^<>]*\?>)?\s*/, "");
  const document: { children: XmlElement[]; text: string } = { children: [], text: "" };
  const open: { name: string; children: XmlElement[]; text: string }[] = [{ name: "", ...document }];

  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    const parent = open.at(-1);
    if (!match || !parent) throw malformed();
    const [, closing, name = "", attributes = "", characters] = match;

    if (characters !== undefined) {
      parent.text += unescapeXml(characters);
    } else if (closing) {
      open.pop();
      const outer = open.at(-1);
      if (!outer || parent.name !== name) throw malformed();
      outer.children.push(element(name, parent.children.length > 0 ? parent.children : parent.text));
    } else if (attributes.endsWith("/")) {
      parent.children.push(element(name, ""));
    } else {
      if (open.length > depthMax) throw malformed();
      open.push({ name, children: [], text: "" });
    }
  }

  const [outermost] = open;
  const [root] = outermost?.children ?? [];
  if (open.length !== 1 || outermost?.children.length !== 1 || outermost.text.trim() !== "" || !root) {
    throw malformed();
  }
  return root;
}

/** The text of the child of that name, undefined when there is none. */
export function childText(parent: XmlElement, name: string): string | undefined {
  const child = childrenNamed(parent, name)[0];
  return child && !Array.isArray(child.content) ? String(child.content) : undefined;
}

export const childrenNamed = (parent: XmlElement, name: string): XmlElement[] =>
  Array.isArray(parent.content) ? parent.content.filter((child) => child.name === name) : [];

const entities: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replace(/&([^;&]{0,10});?/g, (whole, reference: string) => {
    const numeric = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(reference);
    if (!whole.endsWith(";")) throw malformed();
    if (!numeric) return entities[reference] ?? refuse();
    const codePoint = numeric[1] ? parseInt(numeric[1], 16) : Number(numeric[2]);
    const surrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
    return codePoint <= 0x10ffff && !surrogate ? String.fromCodePoint(codePoint) : refuse();
  });
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw malformed();
  }
}

function refuse(): never {
  throw malformed();
}

const malformed = (): S3Error => new S3Error("MalformedXML", "The XML you provided was not well-formed.");
