import type { PortStatus } from "../store/ports.ts";

/**
 *   submitted ──▶ in_review ──▶ scheduled ──▶ completed
 *       │             │          │     ▲└─── another time
 *       └─────────────┴──────────┴──▶ rejected, canceled
 */
const next: Record<PortStatus, readonly PortStatus[]> = {
  submitted: ["in_review", "rejected", "canceled"],
  in_review: ["scheduled", "rejected", "canceled"],
  scheduled: ["scheduled", "completed", "rejected", "canceled"],
  completed: [],
  rejected: [],
  canceled: [],
};

export const mayMove = (from: PortStatus, to: PortStatus): boolean => next[from].includes(to);
export const isOpen = (status: PortStatus): boolean => next[status].length > 0;
