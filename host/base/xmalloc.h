// xmalloc: allocates or aborts. When a host aborts, other hosts take over its runs.
#ifndef WEIR_XMALLOC_H
#define WEIR_XMALLOC_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *xmalloc(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

static inline void *xcalloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) abort();
    return memory;
}

static inline void *xrealloc(void *memory, size_t size) {
    memory = realloc(memory, size ? size : 1);
    if (!memory) abort();
    return memory;
}

static inline void *xmemdup(const void *bytes, size_t size) {
    return memcpy(xmalloc(size), bytes, size);
}

// A text of the `size` bytes, with a NUL behind them.
static inline char *xmemdup0(const char *bytes, size_t size) {
    char *text = xmalloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}

static inline char *xstrdup(const char *text) {
    return xmemdup(text, strlen(text) + 1);
}

__attribute__((format(printf, 1, 2))) static inline char *xformat(const char *format, ...) {
    char *text;
    va_list values;
    va_start(values, format);
    if (vasprintf(&text, format, values) < 0) abort();
    va_end(values);
    return text;
}

#endif
