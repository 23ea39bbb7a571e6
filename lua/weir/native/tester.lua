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

---Runs this command again, in a process of its own; one at a time.
---@param manifest string the path of the file in which both name specs: see weir.cli.test.manifest
function tester.spawn(manifest) end

---Ends that process, and all that it started.
function tester.stop() end

---Waits until that process has ended, or until files in the folders have changed and are quiet again.
---@return integer|string[]|nil event its status; or the paths; nil: this process was interrupted
function tester.await() end

return tester
