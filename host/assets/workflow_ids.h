// workflow_ids: the file from which editors complete `workflow =`: see lua/weir/workflow_ids.lua.
#ifndef WEIR_WORKFLOW_IDS_H
#define WEIR_WORKFLOW_IDS_H

// Writes the ids, which are lines (NULL: none), for LuaLS; `place` is the folder that it has as
// library. 0, or a negative libuv code.
int workflow_ids_write(const char *place, const char *ids);

// Does that for a workflow folder that `weir init` has prepared, if they are different now.
void workflow_ids_refresh(const char *folder, const char *ids);

#endif
