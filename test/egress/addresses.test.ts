import assert from "node:assert/strict";
import { isPublicAddress } from "../../engine/egress/addresses.ts";

describe("egress: which addresses are public", () => {
  const refused: [string, string[]][] = [
    ["this network", ["0.0.0.0", "0.1.2.3"]],
    ["private", ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"]],
    ["carrier-grade NAT", ["100.64.0.1", "100.100.100.200", "100.127.255.255"]],
    ["loopback", ["127.0.0.1", "127.255.0.9", "::1"]],
    ["link-local and cloud metadata", ["169.254.169.254", "169.254.170.2", "fe80::1", "168.63.129.16"]],
    [
      "documentation and benchmarks",
      ["192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "2001:db8::1"],
    ],
    ["protocol assignments", ["192.0.0.192", "192.88.99.1", "2001:2::1"]],
    ["multicast and broadcast", ["224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1"]],
    ["reserved", ["240.0.0.1", "::", "100::1", "5f00::1", "4000::1"]],
    ["unique-local, AWS's metadata among them", ["fc00::1", "fd00:ec2::254", "fec0::1"]],
    ["IPv4-mapped", ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a9fe:a9fe"]],
    ["IPv4-compatible", ["::127.0.0.1", "::7f00:1"]],
    ["NAT64", ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"]],
    ["6to4 and Teredo", ["2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"]],
    ["no address", ["", "localhost", "127.1", "0x7f000001", "fe80::1%eth0"]],
  ];
  for (const [what, addresses] of refused) {
    it(`${what}: none`, () => {
      for (const address of addresses) assert.equal(isPublicAddress(address), false, address);
    });
  }

  it("the internet's: all", () => {
    for (const address of [
      "8.8.8.8",
      "1.1.1.1",
      "41.90.64.1",
      "172.15.0.1",
      "172.32.0.1",
      "100.63.255.255",
      "100.128.0.1",
      "223.255.255.1",
      "2606:4700:4700::1111",
      "2a00:1450:4009:81f::200e",
    ]) {
      assert.equal(isPublicAddress(address), true, address);
    }
  });
});
