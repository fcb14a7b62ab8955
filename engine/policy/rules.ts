import type { WorkspaceRow } from "../store/workspaces.ts";
import type { CallingWindow } from "./calling-windows.ts";

/** What a workspace's outbound calls may do: its owner's choices within the operator's. */
export interface CallRules {
  allowedCountries: readonly string[];
  /** The owner's own: `+` and digits. */
  refusedPrefixes: readonly string[];
  /** None: always. */
  callingWindows: readonly CallingWindow[];
  /** KES cents of a day in Nairobi; null: none. */
  dailySpendCapMinor: number | null;
  /** KES cents; null: none. */
  highestRatePerMinuteMinor: number | null;
}

export const rulesOf = (row: WorkspaceRow): CallRules => ({
  allowedCountries: JSON.parse(row.allowedCountries) as string[],
  refusedPrefixes: JSON.parse(row.refusedPrefixes) as string[],
  callingWindows: JSON.parse(row.callingWindows) as CallingWindow[],
  dailySpendCapMinor: lower(row.dailySpendCapMinor, row.dailySpendCapMaxMinor),
  highestRatePerMinuteMinor: lower(row.highestRatePerMinuteMinor, row.highestRatePerMinuteMaxMinor),
});

function lower(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other);
}
