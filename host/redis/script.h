// script: the text of the one script that Redis runs, joined from the files in redis-scripts/.
//
// lib.lua comes first: all other files see its locals. Then comes the function `define`, which has
// each other file in a branch of its own, and dispatch.lua last. The text is joined once and
// constant from then on, for any thread.
#ifndef WEIR_SCRIPT_H
#define WEIR_SCRIPT_H

#include <stddef.h>

const char *script_text(size_t *size);

#endif
