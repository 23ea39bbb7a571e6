// refusal: tells people which folders a host does not load as they are now: in its log, and in
// Redis for the commands.
#ifndef WEIR_REFUSAL_H
#define WEIR_REFUSAL_H

#include "assets/bundle.h"
#include "serve/control.h"

// Writes the faults, which are lines, into the log: each with the line that it names.
void refusal_log(const char *folder, const Bundle *bundle, const char *faults);

// The folders that are refused now.
typedef struct Refusals Refusals;

Refusals *refusals_open(size_t folders);
void refusals_close(Refusals *refusals);

// `live` is the name of the bundle that still serves.
void refusals_set(Refusals *refusals, size_t i, const char *folder, const char *live,
                  const char *faults);
void refusals_clear(Refusals *refusals, size_t i);

// Tells Redis, if anything is different from what it was told.
void refusals_send(Refusals *refusals, Control *control);

#endif
