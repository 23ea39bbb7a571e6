-- The order rule as a property: random programs run under random interleavings, timeouts, cancels,
-- crashes and evictions; whenever a run is replayed, live or from a prefix of its journal, it takes
-- the way that it took before. And the test can fail: a weakened rule makes programs diverge.

local branches = require "weir.engine.branches"
local dice = require "spec.support.dice"
local driver = require "spec.support.driver"
local check = require "weir.engine.check"
local entry = require "weir.record.entry"
local engine = require "weir.engine.run"
local journal = require "weir.replay.journal"
local json = require "weir.json"
local sandbox = require "weir.code.sandbox"
local weir = require "weir"

local PROGRAMS = dice.times(250)
local SEED = dice.seed
local MUTANTS = 200

-- ------------------------------------------------------------------------------------------------
-- Programs: lists of statements { verb, … }, made by chance

local library -- bodies of programs that are children

local function new_maker(roll)
  local maker = { roll = roll, named = 0, slots = 0, left = 4 + roll(14) }

  function maker.id()
    if roll(3) == 1 then return nil end
    maker.named = maker.named + 1
    return "n" .. maker.named
  end

  function maker.child(depth)
    local kind = roll(8)
    local made = { id = maker.id(), retry = roll(4) == 1 and { attempts = roll(2), delay = 0.001 } or nil }
    if kind <= 2 then
      made.workflow, made.data = "pure", { value = roll(100), fails = roll(6) == 1 }
    elseif kind <= 6 or depth > 2 then
      made.workflow, made.data = "leaf", { ms = roll(20) - 1, fails = roll(5) == 1, careful = roll(4) == 1 }
    elseif kind == 7 then
      made.workflow, made.data = "short", { ms = roll(20) - 1 }
    else
      made.workflow, made.data = "program", { program = #library + 1 }
      library[#library + 1] = false
      library[made.data.program] = maker.body(depth + 1, 3)
    end
    if roll(3) == 1 then
      made.timeout = (roll(20) - 1) / 1000
      if roll(3) == 1 then made.on_timeout = "abandon" end
    end
    if roll(8) == 1 then made.delay = roll(5) / 1000 end
    return made
  end

  function maker.items(depth)
    local items = {}
    for i = 1, 1 + roll(3) do
      if maker.slots > 0 and roll(2) == 1 then
        items[i] = { slot = roll(maker.slots) }
      else
        items[i] = { body = maker.body(depth + 1, 3) }
      end
    end
    return items
  end

  function maker.bodies(depth)
    local bodies = {}
    for i = 1, roll(4) do bodies[i] = maker.body(depth + 1, 2) end
    return bodies
  end

  function maker.statement(depth)
    local kind = roll(23)
    if kind <= 2 then return { "invoke", maker.child(depth) } end
    if kind <= 5 then
      maker.slots = maker.slots + 1
      return { "spawn", maker.child(depth), slot = maker.slots }
    end
    if kind <= 8 and maker.slots > 0 then return { "await", slot = roll(maker.slots) } end
    if kind == 9 then return { "sleep", maker.id(), ms = roll(20) - 1 } end
    if kind <= 11 then
      return { "step", maker.id(), fails = roll(3) == 1 and roll(3) or 0, once = roll(6) == 1 }
    end
    if kind == 12 and depth < 4 then return { "guard", body = maker.body(depth + 1, 3) } end
    if kind <= 15 and depth < 4 then
      return { ({ "all", "settle", "race" })[kind - 12], items = maker.items(depth), keep = roll(3) == 1 }
    end
    if kind == 16 and depth < 4 then
      return { "any", items = maker.items(depth), keep = roll(3) == 1 }
    elseif kind == 17 and depth < 4 then
      return { "scope", maker.id(), body = maker.body(depth + 1, 3) }
    elseif kind == 18 and maker.slots > 0 then
      return { "cancel", slot = roll(maker.slots) }
    elseif kind <= 21 and depth < 4 then
      local named = kind <= 19 and "parallel" or "map"
      return { named, maker.id(), bodies = maker.bodies(depth), concurrency = roll(3),
               tolerate = roll(2) == 1 and roll(3) - 1 or nil, waits = roll(4) == 1 }
    end
    if roll(6) == 1 then return { "progress" } end
    if roll(4) == 1 then
      return { "poll", maker.id(), calls = roll(4), pause = roll(4) / 1000, timeout = roll(3) == 1 and 0.006 or nil }
    end
    if roll(6) == 1 then return { "raise", always = roll(3) == 1 } end
    return { "draw" }
  end

  function maker.body(depth, longest) return dice.body(roll, maker, depth, longest) end

  return maker
end

local function new_program(roll)
  local maker = new_maker(roll)
  local body = {}
  repeat
    table.move(maker.body(1, 5), 1, 5, #body + 1, body)
  until maker.left <= 0
  return body
end

-- ------------------------------------------------------------------------------------------------
-- The way that a run takes: a line for all that its code does and sees

local way -- of the program under test

local function new_way()
  return {
    taken = {}, at = setmetatable({}, { __mode = "k" }), turn = {}, speculated = {}, refused_turns = 0, diverged = nil,
  }
end

-- The code of the current run does or sees something.
local function note(...)
  local run = sandbox.current()
  if run.inlined then return end -- it may be done again, the long way
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  table.insert(way.turn, table.concat(words, " "))
end

-- Compares the notes of a turn with those that the run made there before, if it ever came so far.
local function commit(run, notes)
  local key = run.id .. "#" .. run.attempt
  local taken, at = way.taken[key] or {}, way.at[run] or 0
  way.taken[key] = taken
  for _, line in ipairs(notes) do
    at = at + 1
    if taken[at] ~= nil and taken[at] ~= line and not way.diverged then
      way.diverged = ("%s, line %d: was %s, now %s"):format(key, at, taken[at], line)
    end
    taken[at] = line
  end
  way.at[run] = at
end

local function shown(ok, value)
  if ok then return "ok " .. (json.try_encode(value) or tostring(value)) end
  local codes = {}
  if type(value) ~= "table" then return "no " .. tostring(value) end
  while value do
    codes[#codes + 1] = value.code .. ":" .. value.message:gsub("^spec/[^ ]+ ", "")
    value = value.cause
  end
  return "no " .. table.concat(codes, " < ")
end

-- ------------------------------------------------------------------------------------------------
-- Running them

local chance -- of what the world does: results of steps, how often they fail

local execute

local function begin_items(items, state)
  local begun = {}
  for i, item in ipairs(items) do
    if item.slot then
      begun[i] = state.slots[item.slot]
    else
      begun[i] = function(ctx)
        note("branch", i)
        execute(ctx, item.body, state)
        return i
      end
    end
    begun[i] = begun[i] or function() return "nothing" end
  end
  return begun
end

local function settled_text(results)
  local texts = {}
  for i, settled in ipairs(results) do
    texts[i] = shown(settled.ok, settled.ok and settled.value or settled.error)
  end
  return table.concat(texts, ", ")
end

local statements = {}

function statements.invoke(ctx, statement) return (ctx:invoke(statement[2])) end

function statements.spawn(ctx, statement, state)
  state.slots[statement.slot] = ctx:spawn(statement[2])
end

function statements.await(_, statement, state)
  local future = state.slots[statement.slot]
  return future and (future:await())
end

function statements.sleep(ctx, statement) ctx:sleep { id = statement[2], duration = statement.ms / 1000 } end

function statements.step(ctx, statement)
  return ctx:step { id = statement[2], at_most_once = statement.once,
    retry = { attempts = 3, delay = 0.002 }, run = function(about)
      if about.attempt <= statement.fails then error("try " .. about.attempt, 0) end
      return chance(1000)
    end }
end

function statements.guard(ctx, statement, state)
  local ok, err = pcall(execute, ctx, statement.body, state)
  note("guard", shown(ok, err))
end

function statements.all(ctx, statement, state) return ctx:all(begin_items(statement.items, state)) end

function statements.settle(ctx, statement, state)
  return settled_text(ctx:settle(begin_items(statement.items, state)))
end

function statements.race(ctx, statement, state)
  local value, key = ctx:race(begin_items(statement.items, state), { losers = statement.keep and "keep" or "cancel" })
  return { key, value }
end

function statements.any(ctx, statement, state)
  local value, key = ctx:any(begin_items(statement.items, state), { losers = statement.keep and "keep" or "cancel" })
  return { key, value }
end

function statements.scope(ctx, statement, state)
  state.scopes = state.scopes + 1
  return ctx:scope(statement[2] or "s" .. state.scopes, function(inner)
    execute(inner, statement.body, state)
    return "inside"
  end)
end

function statements.cancel(_, statement, state)
  local future = state.slots[statement.slot]
  if future then future:cancel() end
end

-- Both kinds of results.
local function group_text(results, statement)
  return statement.tolerate and settled_text(results) or results
end

function statements.parallel(ctx, statement, state)
  local begun = {}
  for i, body in ipairs(statement.bodies) do
    begun[i] = function(inner)
      note("parallel branch", i)
      execute(inner, body, state)
      return i
    end
  end
  return group_text(ctx:parallel { id = statement[2], branches = begun, concurrency = statement.concurrency,
                                   tolerate = statement.tolerate }, statement)
end

function statements.map(ctx, statement, state)
  local items, at = statement.bodies, 0
  if statement.waits then -- between its items
    items = function()
      at = at + 1
      if at > 1 then ctx:sleep(0.001) end
      return statement.bodies[at]
    end
  end
  return group_text(ctx:map { id = statement[2], items = items, concurrency = statement.concurrency,
    tolerate = statement.tolerate, run = function(inner, body, i)
      note("map branch", i)
      execute(inner, body, state)
      return i
    end }, statement)
end

function statements.poll(ctx, statement)
  return ctx:poll { id = statement[2], every = statement.pause, timeout = statement.timeout,
    run = function(state, about) return about.attempt >= statement.calls, (state or 0) + chance(10) end }
end

function statements.progress(ctx, _, state)
  ctx:progress(state.count)
  ctx:status("at " .. state.count)
end

function statements.raise(ctx, statement)
  if statement.always or ctx.run.attempt == 1 then error("raised", 0) end
end

function statements.draw(ctx) return { ctx:random(1000), (ctx:uuid()) } end

function execute(ctx, body, state)
  for i, statement in ipairs(body) do
    local name = statement[1]
    note("do", i, name)
    local ok, value = pcall(statements[name], ctx, statement, state)
    state.count = state.count + 1 -- shared by all branches: it shows in which order they run
    note(name, shown(ok, value), state.count, ctx:now())
    if not ok and not (statement[2] and (name == "invoke" or name == "step" or name == "poll")) then error(value, 0) end
  end
end

local function program_workflow(id, body)
  local function run(ctx, data)
    local state = { slots = {}, count = 0, scopes = 0 }
    execute(ctx, body or library[data.program], state)
    return state.count
  end
  return weir.workflow { id = id, run = run, retry = { attempts = 2, delay = 0.003 }, cancel_grace = 0.03 }
end

local function nap(ctx, data)
  local ok, err = pcall(ctx.sleep, ctx, data.ms / 1000)
  note("leaf", shown(ok, err), ctx:now())
  if not ok and data.careful then ctx:sleep(0.004) end
  if not ok then error(err, 0) end
  if data.fails then error(weir.error { code = "leaf", message = "failed", retryable = false }) end
  return data.ms
end

local function definitions_of(body)
  return {
    program_workflow("main", body), program_workflow("program"),
    weir.workflow { id = "leaf", run = nap, retry = { attempts = 1 } },
    weir.workflow { id = "short", run = nap, timeout = 0.01, cancel_grace = 0.02, retry = { attempts = 1 } },
    weir.workflow { id = "pure", run = function(_, data)
      if data.fails then error(weir.fatal("pure")) end
      return data.value * 2
    end },
  }
end

-- Happens at random between two events.
local function disturb(self, id, roll)
  local kind = roll(80)
  if kind == 1 then
    self:crash(id)
  elseif kind <= 4 and self:state(id) == "waiting" then
    self:drop(id)
  elseif kind == 5 and roll(4) == 1 then
    self:cancel(self.order[roll(#self.order)])
  elseif kind <= 16 then
    self.now = self.now + roll(4)
    self:promote()
  end
end

-- Follows each run. The notes of a turn that speculated count only if the speculation was right.
local function follow(self, id, applied)
  if not applied then
    local live, notes = self.live[id], way.turn
    way.turn, way.speculated[id] = {}, nil
    if live and live.effects and live.effects[1] == "speculate" then
      way.speculated[id] = { run = live.run, notes = notes }
    elseif live then
      commit(live.run, notes)
    end
    return
  end
  local speculated = way.speculated[id]
  way.speculated[id] = nil
  if speculated and self.refused_turns == way.refused_turns then commit(speculated.run, speculated.notes) end
  way.refused_turns = self.refused_turns
end

-- One program under one interleaving, to the end of all its runs.
local function play(seed)
  local roll = dice.of(seed)
  library = {}
  way = new_way()
  chance = dice.of(~seed)
  local made = driver.new {
    workflows = definitions_of(new_program(roll)), random = roll, history = true, max_crashes = math.huge,
    strict = true, inlined = roll(3) > 1, always_replay = roll(5) == 1, max_events = 5000,
    on_event = function(self, id, applied)
      follow(self, id, applied)
      disturb(self, id, roll)
    end,
  }
  local id = "p" .. seed
  made:start("main", nil, { id = id, seed = roll(1 << 30) })
  made:finish()
  return made
end

local ENDED = { completed = true, failed = true, cancelled = true }

-- Every run has come to an end, in the order that weir promises.
local function fault_of(made)
  for _, id in ipairs(made.order) do
    if not ENDED[made:state(id)] then return id .. " is " .. made:state(id) end
  end
  return made:fault()
end

-- A replay must send the effects that were sent live: the same operations, begun after the same numbers.
local function strange_effect(record, effects)
  for _, effect in ipairs(effects) do
    if effect[1] == "invoke" or effect[1] == "record" then
      local kind, after = effect[3]:match("^([^\t]*)\t(%d+)")
      local held = record.fields["o:" .. effect[2]]
      if not held and kind == "step" then return nil end -- whether it came to that was decided by the clock
      if not held then return effect[2] .. " was never begun" end
      held = entry.read(held)
      if held.after ~= math.tointeger(tonumber(after)) then
        return ("%s was begun after %d, now after %s"):format(effect[2], held.after, after)
      end
    end
  end
end

-- Replays a run cold from every prefix of its journal.
local function replay(made, record)
  local count = 0
  for i, fields in ipairs(record.history) do
    local following = record.history[i + 1]
    local last = not following or following.number ~= fields.number or following.attempt ~= fields.attempt
    if last and fields.state ~= "retrying" then -- no attempt begins with what comes while it backs off
      local run = engine.from_fields(made.bundles.b1, record.id, fields, made)
      run:disable_speculation() -- live, the world came between
      way.turn = {}
      local effects = driver.split(run:turn(made.now, {}))
      commit(run, way.turn)
      way.diverged = way.diverged or strange_effect(record, effects)
      count = count + 1
      if way.diverged then break end
    end
  end
  return count
end

-- Replays a run that has ended from its whole journal, as weir.testing does.
local function ends_otherwise(made, record)
  if not record.fields.started_at or record.was_inlined then return nil end
  way.turn = {}
  local done = check.dry(made.bundles.b1, record.id, made.fields_of(record), {
    now = record.finished_at, limits = made.limits, host = made.host, ended = true,
    is_meant = function(held) return held.attempt == record.attempt end,
  })
  local fault = done.fault or check.difference(done.run, record.state, record.fields)
  return fault and record.id .. ": " .. fault
end

-- Nil, or how the program went wrong; and how much was replayed.
local function fault_in(seed)
  local ok, made = xpcall(play, debug.traceback, seed)
  if way.diverged then return way.diverged end
  if not ok then return made end
  local fault, count = fault_of(made), 0
  for _, id in ipairs(made.order) do
    if fault then break end
    count = count + replay(made, made.records[id])
    fault = way.diverged or ends_otherwise(made, made.records[id])
  end
  return fault, count, made
end

describe("random programs", function()
  it("take the same way whenever they are replayed", function()
    local runs, replays, operations, crashes = 0, 0, 0, 0
    for seed = SEED, SEED + PROGRAMS - 1 do
      local fault, count, made = fault_in(seed)
      assert(not fault, ("%s: %s"):format(dice.repeats(seed), fault))
      replays = replays + count
      runs = runs + #made.order
      crashes = crashes + made.refused_turns
      for _, id in ipairs(made.order) do operations = operations + #made.records[id].begun end
    end
    print(("# %d random programs from seed %d: %d runs, %d operations, %d replays from a prefix")
      :format(PROGRAMS, SEED, runs, operations, replays))
  end)
end)

-- ------------------------------------------------------------------------------------------------
-- The test can fail: each of these weakens the rule

local function diverged_with(patch)
  local restore = patch()
  local count = 0
  for seed = 1, MUTANTS do
    pcall(fault_in, seed)
    if way.diverged then count = count + 1 end
  end
  restore()
  return count
end

local function patched(object, name, with)
  local original = object[name]
  object[name] = with(original)
  return function() object[name] = original end
end

describe("a weakened rule diverges:", function()
  it("an awaited outcome delivered before a lower number is known", function()
    local count = diverged_with(function()
      return patched(journal, "learn", function(learn)
        return function(self, outcomes)
          local list = table.move(outcomes, 1, #outcomes, #(self.held or {}) + 1, self.held or {})
          self.held = nil
          if #list > 1 then self.held = { table.remove(list, 1) } end
          self.known = 0
          return learn(self, list)
        end
      end)
    end)
    assert.is_true(count > 5, count .. " diverged")
  end)

  it("the newest delivered first", function()
    local count = diverged_with(function()
      return patched(journal, "new", function(new)
        return function(...)
          local made = new(...)
          local heap = made.deliverable
          made.deliverable = {
            push = function(_, number, operation) heap:push(-number, operation) end,
            pop = function() return heap:pop() end,
            peek = function()
              local operation, number = heap:peek()
              return operation, number and -number
            end,
          }
          return made
        end
      end)
    end)
    assert.is_true(count > 5, count .. " diverged")
  end)

  it("an outcome that is known taken without parking", function()
    local count = diverged_with(function()
      return patched(branches, "await_one", function(await_one)
        return function(self, verb, future)
          if not future.kind or not future.outcome then return await_one(self, verb, future) end
          self.settled = self.settled + 1
          future.settled = self.settled
        end
      end)
    end)
    assert.is_true(count > 5, count .. " diverged")
  end)
end)
