// The table that host/assets/assets.lua writes at build time; for assets.c alone.
#ifndef WEIR_ASSETS_TABLE_H
#define WEIR_ASSETS_TABLE_H

#include <stddef.h>

typedef struct {
    const char *path;
    size_t size;
    const char *text;
} Asset;

extern const Asset asset_table[]; // in order of the paths' bytes
extern const size_t asset_count;

#endif
