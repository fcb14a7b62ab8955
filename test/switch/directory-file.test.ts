import assert from "node:assert/strict";
import fc from "fast-check";
import { directoryFile } from "../../engine/switch/directory-file.ts";

const ha1 = "0123456789abcdef0123456789abcdef";

describe("The file of devices' logins", () => {
  it("holds a user a line, and ends with a mark", () => {
    assert.equal(
      directoryFile([{ username: "a1b2c3", ha1 }]),
      '<group name="0"><users>\n' +
        `<user id="a1b2c3"><params><param name="a1-hash" value="${ha1}"/>` +
        '<param name="allow-empty-password" value="false"/></params><variables>' +
        '<variable name="sautikit_login" value="a1b2c3"/>' +
        '<variable name="sip-force-extension" value="a1b2c3"/></variables></user>\n</users></group>\n<!--end-->\n',
    );
    assert.equal(directoryFile([]), "<!--end-->\n");
  });

  it("has groups of a hundred, since one long list takes seconds to read", () => {
    const logins = Array.from({ length: 250 }, (_, index) => ({ username: `device${index}`, ha1 }));
    const sizes = directoryFile(logins)
      .split("<group ")
      .slice(1)
      .map((group) => group.split("<user ").length - 1);
    assert.deepEqual(sizes, [100, 100, 50]);
  });

  it("takes no name and no hash that is not plainly one", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom("A1", "!a", 'a"', "", "a b", "x".repeat(65))),
        (text) => {
          if (!/^[a-z0-9]{1,64}$/.test(text))
            assert.throws(() => directoryFile([{ username: text, ha1 }]), RangeError);
          if (!/^[0-9a-f]{32}$/.test(text))
            assert.throws(() => directoryFile([{ username: "a1b2c3", ha1: text }]), RangeError);
        },
      ),
    );
  });
});
