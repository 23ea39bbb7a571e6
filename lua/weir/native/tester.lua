---@meta weir.native.tester
-- The functions that C gives `weir test` (host/cli/test_command.c).

local tester = {}

---Notes the lines that run from now on, in this coroutine and in those created later.
function tester.cover() end

---The lines that have run, of chunks that are named "@path".
---@return table<string, table<integer, true>> lines by path
function tester.covered() end

---Watches these folders instead of those before; not the folders below them.
---@param folders string[]
function tester.watch(folders) end

---Waits until files in these folders have changed, and then until they stop changing.
---@return string[]? paths nil: the process was interrupted
function tester.changes() end

---Runs this command again, in a process of its own.
---@param manifest string the path of the file in which both name specs: see weir.cli.test.manifest
---@return integer? status nil: the process was interrupted
function tester.spawn(manifest) end

return tester
