// safety: what a host does, while it serves, for a Redis that can be trusted: see redis/trust.h.
#ifndef WEIR_SAFETY_H
#define WEIR_SAFETY_H

#include "redis/trust.h"
#include "serve/control.h"

typedef struct Safety Safety;

// `on_safe` is called when settings that had become unsafe were mended.
Safety *safety_open(uv_loop_t *loop, Trust *trust, Control *control, void (*on_safe)(void *owner),
                    void *owner);

// Call it about every half second: reads the settings of Redis, and saves the mark.
void safety_tick(Safety *safety);

// Saves the mark at once. The loop has to run once more.
void safety_close(Safety *safety);

#endif
