/**
 * How FreeSWITCH cuts a line into words. Its oddities matter to whoever builds dial strings: a line is cut twice
 * (at blanks, then at the variables' delimiter), each time taking one layer of quotes and escapes away. So single
 * quotes protect a blank but not a comma, `\s` is a blank, and `\,` a comma, quoted or not.
 */
export function separate(text: string, delimiter: string): string[] {
  const words: string[] = [];
  let from = 0;
  let quoted = false;
  let index = 0;
  const blank = delimiter === " ";
  while (index < text.length) {
    const char = text[index];
    if (char === "\\") index += 1;
    else if (char === "'" && (blank || quoted || text.includes("'", index + 1))) quoted = !quoted;
    else if (char === delimiter && !quoted) {
      words.push(text.slice(from, index));
      if (blank) while (text[index + 1] === " ") index += 1;
      from = index + 1;
    }
    index += 1;
  }
  if (from < text.length) words.push(text.slice(from));
  return words.map((word) => unquote(word, blank ? "" : delimiter)).filter((word) => !blank || word !== "");
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  s: " ",
  "'": "'",
  '"': '"',
  "\\": "\\",
};

/** Takes quotes, escapes and blanks around a word away. */
function unquote(word: string, delimiter: string): string {
  let out = "";
  let end = 0;
  let quoted = false;
  for (let index = word.length - word.trimStart().length; index < word.length; index += 1) {
    const char = word.charAt(index);
    const next = word.charAt(index + 1);
    const escaped = char === "\\" && next !== "" ? (next === delimiter ? next : escapes[next]) : undefined;
    if (escaped !== undefined) {
      out += escaped;
      end = out.length;
      index += 1;
    } else if (char === "'" && (quoted || word.includes("'", index + 1))) {
      quoted = !quoted;
      if (quoted) end = out.length;
    } else {
      out += char;
      if (char !== " " || quoted) end = out.length;
    }
  }
  return out.slice(0, end);
}

/**
 * Reads `{a=1,b=2}rest` (or `[…]`), several in a row, and `{^^;a=1;b=2}`, where the character after `^^` takes the
 * comma's place. Null: an opening bracket without its end.
 */
export function readVariables(
  text: string,
  brackets: "{}" | "[]",
): { variables: Map<string, string>; rest: string } | null {
  const variables = new Map<string, string>();
  let rest = text;
  let delimiter = ",";
  while (rest.startsWith(brackets.charAt(0))) {
    const end = closing(rest, brackets);
    if (end < 0) return null;
    let inner = rest.slice(1, end);
    if (inner.startsWith("^^")) {
      delimiter = inner.charAt(2);
      inner = inner.slice(3);
    }
    for (const pair of separate(inner, delimiter)) {
      const equals = pair.indexOf("=");
      if (equals > 0)
        variables.set(unquote(pair.slice(0, equals), "="), unquote(pair.slice(equals + 1), "="));
    }
    rest = rest.slice(end + 1).trimStart();
  }
  return { variables, rest };
}

function closing(text: string, brackets: string): number {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    if (text[index] === "\\") index += 1;
    else if (text[index] === brackets[0]) depth += 1;
    else if (text[index] === brackets[1]) {
      depth -= 1;
      if (depth === 0) return index;
    }
  }
  return -1;
}
