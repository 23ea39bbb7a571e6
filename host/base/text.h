// text: what others wrote, made harmless where people or programs read it.
//
// Files, workflows and callers choose their words. None of them can move a terminal's cursor, turn
// the direction of what follows, or begin a line of its own.
#ifndef WEIR_TEXT_H
#define WEIR_TEXT_H

#include <stddef.h>

typedef enum {
    TEXT_LINE,   // controls as "\n", "\x1b", "\u009b"; bytes that are not UTF-8 as "\xff"
    TEXT_LINES,  // the same, but for line breaks
    TEXT_JSON,   // the inside of a JSON string
    TEXT_OF_JSON // of a text that is JSON, the same JSON
} TextForm;

// To be freed; a NUL follows it.
char *text_plain(const char *text, size_t size, TextForm form);

#endif
