import assert from "node:assert/strict";
import fc from "fast-check";
import { S3Error } from "../../../recordings/embedded-s3/errors.ts";
import { childText, element, parseXml, renderXml } from "../../../recordings/embedded-s3/xml.ts";

describe("XML", () => {
  it("reads back any text it wrote", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
        fc.pre(text.isWellFormed());
        const read = parseXml(Buffer.from(renderXml(element("Delete", [element("Key", text)]))));
        assert.equal(childText(read, "Key"), text);
      }),
      { numRuns: 1000 },
    );
  });

  it("reads or refuses any bytes, and does nothing else", () => {
    const pieces = fc.array(
      fc.constantFrom(
        "<",
        ">",
        "/",
        "a",
        "<a>",
        "</a>",
        "<a/>",
        "&amp;",
        "&",
        ";",
        "#",
        "x41",
        " ",
        "<!",
        "<?xml",
        "?>",
      ),
    );
    fc.assert(
      fc.property(pieces, (each) => {
        try {
          parseXml(Buffer.from(each.join("")));
        } catch (error) {
          assert.ok(error instanceof S3Error && error.code === "MalformedXML");
        }
      }),
      { numRuns: 5000 },
    );
  });

  for (const [what, text] of [
    ["a document type", "<!DOCTYPE a><a/>"],
    ["an entity of its own", "<a>&b;</a>"],
    ["a surrogate by number", "<a>&#xd800;</a>"],
    ["a number beyond Unicode", "<a>&#x110000;</a>"],
    ["an ampersand alone", "<a>a & b</a>"],
    ["CDATA", "<a><![CDATA[b]]></a>"],
    ["a comment", "<a><!-- b --></a>"],
    ["two roots", "<a/><b/>"],
    ["text beside the root", "<a/>b"],
    ["elements that cross", "<a><b></a></b>"],
    ["depth", `${"<a>".repeat(20)}${"</a>".repeat(20)}`],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseXml(Buffer.from(text)), { code: "MalformedXML" });
    });
  }

  it("reads a declaration, a namespace and a byte order mark", () => {
    const text = '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="a"> <Key>b</Key> </Delete>\n';
    assert.equal(childText(parseXml(Buffer.from(text)), "Key"), "b");
  });
});
