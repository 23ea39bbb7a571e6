---@meta weir.native.host
-- The contract between the engine and its driver. There are two drivers: the C host (host/lua/vm.c) and the one in
-- memory (weir.memory.driver). A run knows neither threads nor Redis: outcomes come in, effects go out.
--
-- The life of a run, as a driver sees it:
--
--   1. runs.begin(bundle, id, known, page, last)   the record, page by page; `more` until the last page
--   2. run:turn(now, outcomes, recorded_at)        the effects of the turn, a flat list of texts and integers
--   3. the driver sends the effects as one call; Redis applies all of them or none
--   4. the reply brings the outcomes that came meanwhile: with any, or where the turn neither ended nor suspended the
--      run, step 2 follows. A run that suspended gets its next turn when Redis wakes it: with the same object while
--      the worker has it, else from step 1
--
-- Redis refuses a turn that speculated wrongly: then the driver drops the run, begins it again from its record and
-- calls run:disable_speculation(). A run over its limits gets run:kill(code, message), then a turn that ends it.

---Driver -> engine: the module weir.engine.run.
---@class weir.Runs
---@field host weir.native.host
---@field limits weir.Limits
---@field begin fun(bundle: weir.Bundle?, id: string, known: integer, page: string[], last: boolean): weir.BegunRun

---@class weir.Limits
---@field payload_bytes integer
---@field depth integer runs below each other

---A run whose record is read.
---@class weir.BegunRun
---@field more fun(self, page: string[], last: boolean): weir.BegunRun the next page: field, value, field, value …
---@field turn fun(self, now: integer, outcomes: string[], recorded_at: integer?): (string|integer)[]
---@field kill fun(self, code: string, message: string) the author's code is not to run any more
---@field disable_speculation fun(self) Redis refused a turn of this run that speculated
---@field describe fun(self): string one line on what the run does

---Engine -> driver: the functions that a driver gives its runs.
---@class weir.native.host
---@field separate boolean? no child runs in its parent's turn (weir.testing)
---@field mocked_step? fun(run: weir.Run, operation: weir.Operation): (fun(about: table): any)? replaces a step's body
---@field advise? fun(workflow: string): string what to do about a workflow that does not exist
local host = {}

---Writes a line to the log.
---@param level "debug"|"info"|"warn"|"error"
---@param run string? id
---@param text string
---@param fields string? JSON
function host.log(level, run, text, fields) end

---Notes a line for the log, which is written once this turn is recorded. Optional.
---@param kind "failed"|"retrying"
---@param text string
---@param fields string JSON
function host.report(kind, text, fields) end

---Begins a limit: code that runs longer than `ms` gets an error, again and again. Without `ms` it ends the limit.
---@param ms integer?
---@param trial boolean? memory that is refused counts as well: the code that runs on trial is not to blame
---@return boolean over whether the limit before this call was exceeded
function host.limit(ms, trial) end

---The code has come past something that its journal holds: a long replay is no endless loop. Optional.
function host.progress() end

---The body of a step begins, or, without `id`, it has ended: for people who ask what a worker is doing. Optional.
---@param id string?
---@param line string? "file:line"
function host.step(id, line) end

---@return integer ms on a clock that only runs forward
function host.elapsed_ms() end

---Calls a function with limits, as a run has them. Only the C host has it.
---@param bytes integer of Lua memory
---@param ms integer of CPU time
---@param call function
---@param ... any its arguments
---@return true? ok nil: it was stopped, or raised
---@return any value its first result; else the code: "memory_limit", "cpu_limit", "error"
---@return any message what it raised
function host.guard(bytes, ms, call, ...) end

---The seed of a child's random numbers.
---@param child string the child's run id
---@return integer
function host.seed(child) end

return host
