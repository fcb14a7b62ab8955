/**
 * How long a step whose caller has hung up waits for its leg's own end, with nothing begun: somebody would be rung for a
 * caller who has gone. That end follows at once; where word of it is lost, by the leg's record or, where there is none, by the
 * reconciliation, which looks every 30 s and then waits ten minutes for the record. This is longer than both, so that it
 * only ends what would otherwise never end.
 */
export const hangingUpMsMax = 660_000;
