// script: the one script that Redis runs.
//
// lib.lua first, whose locals all others see; then `define`, which has each other file in a branch
// of its own; dispatch.lua last. Joined once, constant from then on, for any thread.
#ifndef WEIR_SCRIPT_H
#define WEIR_SCRIPT_H

#include <stddef.h>

const char *script_text(size_t *size);

#endif
