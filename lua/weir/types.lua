---@meta weir.types
-- Types for editors: the arguments and results of a workflow's calls, with units and defaults. Never loaded.
-- weir.WorkflowFields, weir.GraphFields, weir.Node, weir.RetryFields and weir.ErrorFields stand in init.lua,
-- weir.Failure in failure.lua, weir.Future and weir.Settled in futures.lua.

---"250ms" "30s" "5m" "2h" "1d", or a number of seconds.
---@alias weir.Duration string|number

---A value that JSON can hold. `nil` is null.
---@alias weir.Payload nil|boolean|number|string|table

---The first argument of a workflow's function. Ids are unique within a run and its scope.
---@class weir.Context
---@field run weir.RunInfo
---@field log weir.Log
---@field deps weir.Deps of a graph's node; an error in any other run
local ctx = {}

---@class weir.RunInfo
---@field id string
---@field workflow string
---@field attempt integer from 1
---@field parent string? run that invoked this one
---@field root string the run that people started
---@field depth integer runs above this one
---@field bundle string hash of the sources this attempt runs on
---@field created_at integer ms since 1970

---The results of the nodes that a node depends on. `deps.extract` is the result of node "extract", nil if it did not
---complete or returned nothing; `deps("extract")` tells how it ended; `pairs(deps)` goes over the nodes that completed,
---in the order of depends_on. Each result is fetched once, at the first read. Any other key is an error.
---@class weir.Deps
---@field [string] any
---@overload fun(key: string): weir.Settled

---Lines for people, silent while a run replays. Fields must be JSON.
---@class weir.Log
---@field debug fun(self: weir.Log, text: string, fields?: table)
---@field info fun(self: weir.Log, text: string, fields?: table)
---@field warn fun(self: weir.Log, text: string, fields?: table)
---@field error fun(self: weir.Log, text: string, fields?: table)

---@class weir.InvokeOptions
---@field id? string of the operation; numbered ("invoke#1") unless given
---@field workflow weir.WorkflowId
---@field data? weir.Payload {} unless given
---@field timeout? weir.Duration from the invoke on, including the child's time in the queue and its retries
---@field on_timeout? "cancel"|"abandon" whether the child is cancelled then, or goes on; "cancel" unless given
---@field retry? weir.RetryFields instead of the child's own
---@field queue? string instead of the workflow's
---@field priority? integer -100 to 100, higher first, instead of the workflow's
---@field delay? weir.Duration before the child starts
---@field encode? fun(data: any): string in place of JSON; must return JSON text
---@field decode? fun(text: string): any of the result
---@field detached? boolean start it, do not wait, return its run's id
---@field dedupe? weir.DedupeOptions take an earlier run of the workflow that was begun with the same key

---While a run of the workflow with this key is younger than `within`, or has not ended, other invokes with the key
---share its outcome and start no run. A run that failed or was cancelled does not count.
---@class weir.DedupeOptions
---@field key string
---@field within? weir.Duration how long the run that this invoke starts counts for others; 1h unless given

---About a child that completed.
---@class weir.Info
---@field id string the child's run
---@field attempts integer
---@field started_at integer when it was asked for, ms since 1970, as ctx:now() has it
---@field finished_at integer ms since 1970

---@class weir.StepOptions
---@field id? string numbered ("step#1") unless given
---@field run fun(about: weir.StepAbout): weir.Payload ordinary Lua; io and os work here
---@field retry? weir.RetryFields that of the workflow unless given, counted apart
---@field timeout? weir.Duration of each try
---@field at_most_once? boolean if its process dies, it fails with `interrupted` and does not run again
---@field undo? fun(result: any, about: weir.StepAbout) run, as a step, if the run later fails or is cancelled

---@class weir.StepAbout
---@field attempt integer from 1
---@field key string RUN/OPERATION: the same for each try, for services that take an idempotency key
---@field deadline_ms integer? when this try times out, ms since 1970

---@class weir.PollOptions
---@field id? string numbered ("poll#1") unless given
---@field run fun(state: any, about: weir.StepAbout): boolean, weir.Payload returns whether the condition holds, and the
---state for the next call; ordinary Lua
---@field every? weir.Duration|fun(attempt: integer, state: any): weir.Duration the pause after a call; 1s unless given
---@field timeout? weir.Duration from the first call on
---@field initial? weir.Payload the state of the first call
---@field retry? weir.RetryFields of a call that fails; that of the workflow unless given

---@class weir.SleepOptions
---@field id? string numbered ("sleep#1") unless given
---@field duration? weir.Duration
---@field until_ms? integer instead: an instant, ms since 1970

---@class weir.RaceOptions
---@field losers? "cancel"|"keep" "cancel" unless given

---@class weir.ParallelOptions
---@field id? string begins the ids of its operations; numbered ("parallel#1") unless given
---@field branches table<any, fun(ctx: weir.Context): any>
---@field concurrency? integer branches that run at a time; 1000 unless given
---@field tolerate? integer how many may fail; math.huge: all. none unless given

---@class weir.MapOptions
---@field id? string begins the ids of its operations; numbered ("map#1") unless given
---@field items any[]|fun(): any a list, or a function that returns the next item with each call, nil at the end
---@field run fun(ctx: weir.Context, item: any, index: integer): any
---@field concurrency? integer branches that run at a time; 1000 unless given
---@field tolerate? integer how many may fail; math.huge: all. none unless given

---Runs a child and waits for it. A result of null is nil, as every whole result; within tables it is `weir.null`.
---Raises `child_failed`, `timeout`, `unknown_workflow`, `invalid_data`, `cycle`, `too_deep`.
---@param options weir.InvokeOptions
---@return any result
---@return weir.Info info
function ctx:invoke(options) end

---Starts a child and goes on.
---@param options weir.InvokeOptions
---@return weir.Future future of what `ctx:invoke` would return
function ctx:spawn(options) end

---Waits for all: every result under its key, `weir.null` where there is none. The first failure is raised, the others
---go on.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any> functions are run as branches
---@return table<K, any>
function ctx:all(t) end

---Waits for all, whatever becomes of them.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, weir.Settled>
function ctx:settle(t) end

---Waits for the first to end: its result and its key, or its failure. The others are cancelled at once; a child begun
---elsewhere that only a loser awaited is cancelled when the run returns.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@param options? weir.RaceOptions
---@return any result
---@return K key
function ctx:race(t, options) end

---Waits for the first that succeeds: its result and its key. The others are cancelled at once. If none succeeds, it
---raises `all_failed` with every failure in `details`.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@param options? weir.RaceOptions
---@return any result
---@return K key
function ctx:any(t, options) end

---Runs branches side by side: their results under their names. Without `tolerate` the first failure cancels the others
---and is raised when they have ended. With it each result is a `weir.Settled`; one failure more raises
---`too_many_failures`.
---@generic K
---@param options weir.ParallelOptions
---@return table<K, any>
function ctx:parallel(options) end

---Runs a function for each item side by side: the list of its results. Failures are handled as `ctx:parallel` does.
---@param options weir.MapOptions
---@return any[]
function ctx:map(options) end

---Calls `fn`, in which ids begin with `id:`, and returns its result.
---@generic T
---@param id string
---@param fn fun(ctx: weir.Context): T
---@return T result
function ctx:scope(id, fn) end

---Runs ordinary Lua once and remembers the one value that it returned; more than one is an error.
---@param id string
---@param body fun(about: weir.StepAbout): weir.Payload
---@return any result
---@overload fun(self: weir.Context, options: weir.StepOptions): any
function ctx:step(id, body) end

---Calls `run` as a step, again and again, until it returns true first. Only the last state is remembered.
---@param options weir.PollOptions
---@return any state that it returned then
function ctx:poll(options) end

---If this run later fails for good or is cancelled, `fn` runs: newest first, when all else of the run has ended.
---It is workflow code, and calls verbs through the context that it gets.
---@param id string of the operation that it undoes; a retry of the run resets that operation
---@param fn fun(ctx: weir.Context)
function ctx:undo(id, fn) end

---Sleeps, also through restarts; to the millisecond.
---@param how_long weir.Duration|weir.SleepOptions
function ctx:sleep(how_long) end

---Gives the run a tag, shown by `weir show` and found by `weir list --tag key=value`.
---@param key string
---@param value string|number|boolean
function ctx:tag(key, value) end

---Shows how far the run is: `weir show`, `weir wait` and `weir list` print what was said last. A replay is silent.
---@param done number from 0
---@param total? number
---@param text? string at most 1 KiB is kept
function ctx:progress(done, total, text) end

---Shows what the run does, beside its progress.
---@param text? string at most 1 KiB is kept; nil: nothing any more
function ctx:status(text) end

---Seconds as of os.time, with a fraction: the time of the last outcome. The same on every replay.
---@return number
function ctx:now() end

---As math.random, the same on every replay.
---@param m? integer
---@param n? integer
---@return number
function ctx:random(m, n) end

---The same on every replay.
---@return string uuid version 4
function ctx:uuid() end

-- weir.testing adds these assertions to luassert.

---@class luassert
---@field completed fun(result: weir.testing.Result)
---@field failed_with fun(result: weir.testing.Result, code: string) by its own code, or that of a cause
---@field cancelled fun(result: weir.testing.Result)
---@field called fun(runner: weir.testing.Runner, workflow: string, times?: integer) attempts that began
