import assert from "node:assert/strict";
import fc from "fast-check";
import { directoryFile } from "../../engine/switch/directory-file.ts";

const ha1 = "0123456789abcdef0123456789abcdef";

describe("The file of devices' logins", () => {
  it("holds a user a line, and ends with a mark", () => {
    assert.equal(
      directoryFile([{ username: "a1b2c3", ha1, onlyFrom: null }]),
      '<group name="0"><users>\n' +
        `<user id="a1b2c3"><params><param name="a1-hash" value="${ha1}"/>` +
        '<param name="allow-empty-password" value="false"/></params><variables>' +
        '<variable name="sautikit_login" value="a1b2c3"/>' +
        '<variable name="sip-force-extension" value="a1b2c3"/></variables></user>\n</users></group>\n<!--end-->\n',
    );
    assert.equal(directoryFile([]), "<!--end-->\n");
  });

  it("lets one in from some addresses alone, or from none", () => {
    const file = (onlyFrom: string[]) => directoryFile([{ username: "a1b2c3", ha1, onlyFrom }]);
    assert.match(
      file(["203.0.113.7", "198.51.100.9"]),
      /<param name="auth-acl" value="203\.0\.113\.7\/32,198\.51\.100\.9\/32"\/>/,
    );
    assert.match(file([]), /<param name="auth-acl" value="255\.255\.255\.255\/32"\/>/);
    for (const odd of ["203.0.113.7/0", '1.2.3.4"/>', "", "2001:db8::1"])
      assert.throws(() => file([odd]), RangeError);
  });

  it("has groups of a hundred, since one long list takes seconds to read", () => {
    const logins = Array.from({ length: 250 }, (_, index) => ({
      username: `device${index}`,
      ha1,
      onlyFrom: null,
    }));
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
            assert.throws(() => directoryFile([{ username: text, ha1, onlyFrom: null }]), RangeError);
          if (!/^[0-9a-f]{32}$/.test(text))
            assert.throws(
              () => directoryFile([{ username: "a1b2c3", ha1: text, onlyFrom: null }]),
              RangeError,
            );
        },
      ),
    );
  });
});
