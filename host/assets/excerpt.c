// excerpt: see excerpt.h.
#include "assets/excerpt.h"
#include "base/xmalloc.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 120, BEFORE_CARET = 80 }; // bytes of a line

// Where in its line a fault is: at the word that Lua names, if the line has it once.
static size_t column_of(const char *line, const char *fault) {
    const char *near = strstr(fault, " near ");
    if (near && strcmp(near, " near <eof>") == 0) return strlen(line);
    const char *end = near ? strrchr(near, '\'') : NULL;
    if (end && near[6] == '\'' && end > near + 7) {
        char *word = xmemdup0(near + 7, (size_t)(end - near) - 7);
        const char *at = strstr(line, word);
        bool once = at && !strstr(at + 1, word);
        free(word);
        if (once) return (size_t)(at - line);
    }
    return strspn(line, " ");
}

static bool continues_character(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

// The n-th line of a text, to be freed; NULL: there is none.
static char *line_at(const char *text, long n) {
    if (n < 1) return NULL;
    while (--n > 0) {
        if (!(text = strchr(text, '\n'))) return NULL;
        text++;
    }
    char *line = xmemdup0(text, strcspn(text, "\r\n"));
    for (char *tab = line; (tab = strchr(tab, '\t'));) *tab = ' '; // one column, as the log's
    return line;
}

static char *line_of(const Bundle *bundle, const char *fault, Excerpt *excerpt) {
    for (size_t i = 0; i < bundle->count; i++) {
        const Source *source = &bundle->sources[i];
        size_t size = strlen(source->path);
        if (strncmp(fault, source->path, size) != 0 || fault[size] != ':') continue;
        char *end;
        excerpt->number = strtol(fault + size + 1, &end, 10);
        excerpt->place = (size_t)(end - fault);
        return *end == ':' ? line_at(source->text, excerpt->number) : NULL;
    }
    return NULL;
}

// Of a long line, the part around the fault.
static char *cut(const char *line, size_t column, int *caret) {
    size_t start = column > BEFORE_CARET ? column - BEFORE_CARET : 0;
    while (continues_character(line[start])) start++;
    *caret = 0;
    for (size_t i = start; i < column; i++) *caret += !continues_character(line[i]);
    size_t end = start;
    while (line[end] && (end < start + SHOWN || continues_character(line[end]))) end++;
    return xmemdup0(line + start, end - start);
}

bool excerpt_of(const Bundle *bundle, const char *fault, Excerpt *excerpt) {
    char *line = line_of(bundle, fault, excerpt);
    if (!line) return false;
    excerpt->line = cut(line, column_of(line, fault), &excerpt->caret);
    free(line);
    return true;
}
