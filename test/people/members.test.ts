import { strict as assert } from "node:assert";
import { systemClock } from "../../engine/clock.ts";
import { systemIds } from "../../engine/ids.ts";
import { insertMember, ownersOf, upsertUser, type Role } from "../../engine/store/members.ts";
import { createWorkspace } from "../../engine/workspaces/workspaces.ts";
import { inParallel } from "../store/processes.ts";
import { databaseKind, openTestStore, testDatabase } from "../store/test-database.ts";

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

describe(`owners who leave at once, on ${databaseKind}`, () => {
  it("of four in four processes three are gone, and one stays", async () => {
    const ids = systemIds(systemClock);
    const database = await testDatabase();
    const store = await database.open();
    const { workspaceId, owners } = await store.write(async (tx) => {
      const { id: workspaceId } = await createWorkspace(tx, ids, { name: "Wanjiru", createdAtMs: 1 });
      const owners: string[] = [];
      for (const name of ["wanjiru", "otieno", "achieng", "kamau"]) {
        const user = await upsertUser(tx, {
          id: ids.next("usr"),
          email: `${name}@example.co.ke`,
          createdAtMs: 1,
        });
        await insertMember(tx, { workspaceId, userId: user.id, role: "owner", createdAtMs: 1 });
        owners.push(user.id);
      }
      return { workspaceId, owners };
    });
    await store.close();

    const outcomes = await inParallel(database, 4, "leave", [workspaceId, ...owners]);

    const left = await database.byHand("SELECT role FROM members");
    await database.remove();
    assert.deepEqual(outcomes.sort(), ["left", "left", "left", "stays"]);
    assert.deepEqual(
      left.map((row) => row["role"]),
      ["owner"],
    );
  });
});
