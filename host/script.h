// script: the one script that Redis runs.
//
// lib.lua first, whose locals all others see; then each verb in a block of its own, in order of
// their names; dispatch.lua last. Joined once, constant from then on, for any thread.
#ifndef WEIR_SCRIPT_H
#define WEIR_SCRIPT_H

#include <stddef.h>

const char *script_text(size_t *size);

#endif
