// safety: asks Redis whether its configuration can lose runs.
#ifndef WEIR_SAFETY_H
#define WEIR_SAFETY_H

#include "config/config.h"
#include "redis/batch.h"

// Adds the question to a batch. The answer is a warning in the log for each unsafe setting. A host
// that started its Redis itself is not warned: it has chosen the settings.
void safety_check(const Config *config, Batch *batch);

#endif
