// excerpt: the line of a bundle that a fault is about, to be shown with a caret below it.
#ifndef WEIR_EXCERPT_H
#define WEIR_EXCERPT_H

#include "assets/bundle.h"

#include <stdbool.h>

typedef struct {
    size_t place; // bytes of "path:line" at the beginning of the fault
    long number;  // of the line
    char *line;   // to be freed; of a long one, the part around the fault
    int caret;    // its column in `line`, from 0
} Excerpt;

// For a fault "path:line: message". False: it names no line of the bundle.
bool excerpt_of(const Bundle *bundle, const char *fault, Excerpt *excerpt);

#endif
