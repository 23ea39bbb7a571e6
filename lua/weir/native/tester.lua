---@meta weir.native.tester
-- What `weir test` gets from C (host/cli/test_command.c).

local tester = {}

---From now on the lines that run are noted, in this coroutine and in those made after.
function tester.cover() end

---The lines that have run, of chunks that are named "@path".
---@return table<string, table<integer, true>> lines by path
function tester.covered() end

---Watches these folders, and no others any more; not what is below them.
---@param folders string[]
function tester.watch(folders) end

---Waits until something changed in the folders watched, and then for quiet.
---@return string[]? paths nil when the process was interrupted
function tester.changes() end

---Runs this command once more, in a process of its own.
---@param ledger string path
---@return integer? status nil when the process was interrupted
function tester.spawn(ledger) end

return tester
