import { strict as assert } from "node:assert";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { insertMember, ownersOf, upsertUser, type Role } from "../../engine/store/members.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { databaseKind, openTestStore } from "../store/test-database.ts";

describe(`the owners of a workspace, on ${databaseKind}`, () => {
  it("are its own, by their addresses, the longest there first", async () => {
    const ids = systemIds(systemClock);
    const store = await openTestStore();
    const owners = await store.write(async (tx) => {
      const mine = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs: 1 });
      const other = await createWorkspace(tx, ids, { name: "Njeri", createdAtMs: 1 });
      const join = async (workspaceId: typeof mine.id, email: string, role: Role, createdAtMs: number) => {
        const user = await upsertUser(tx, { id: ids.next("usr"), email, createdAtMs });
        await insertMember(tx, { workspaceId, userId: user.id, role, createdAtMs });
      };
      await join(mine.id, "otieno@example.co.ke", "owner", 5);
      await join(mine.id, "wanjiru@example.co.ke", "owner", 2);
      await join(mine.id, "achieng@example.co.ke", "admin", 3);
      await join(mine.id, "kamau@example.co.ke", "member", 4);
      await join(other.id, "njeri@example.co.ke", "owner", 1);
      await join(other.id, "wanjiru@example.co.ke", "member", 6);
      return Promise.all([ownersOf(tx, mine.id), ownersOf(tx, other.id)]);
    });
    await store.close();

    assert.deepEqual(owners, [["wanjiru@example.co.ke", "otieno@example.co.ke"], ["njeri@example.co.ke"]]);
  });
});
