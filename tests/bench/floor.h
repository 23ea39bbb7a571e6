// floor: what Redis itself can do: the bare writes of an invoke, and a bare round trip.
//
// No checks, no journal text, no lease: nothing that weir has to do beyond the writes is in it.
#ifndef WEIR_BENCH_FLOOR_H
#define WEIR_BENCH_FLOOR_H

#include "rig.h"

// Invokes a second. In a database of its own, emptied afterwards.
double floor_invokes(Rig *rig);

// Runs a second that are started and run to their end, with the bare writes of that. In a database
// of its own, emptied afterwards.
double floor_runs(Rig *rig);

// Seconds of an EVALSHA of `return 1`: the median.
double floor_round_trip(Rig *rig);

#endif
