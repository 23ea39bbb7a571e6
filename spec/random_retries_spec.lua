-- Retries as a property: random trees of workflows and graphs fail and are cancelled at random points, and are retried
-- at random, by the rule, one child of them, from an operation on, from scratch, through crashes and replays. All runs
-- end; what a retry by the rule keeps is not done again; what was undone is; once nothing fails any more the result is
-- that of a run that was never disturbed.

local dice = require "spec.support.dice"
local driver = require "spec.support.driver"
local json = require "weir.json"
local record = require "weir.record.record"
local retry = require "weir.client.retry"
local redis = require "weir.client.redis"
local weir = require "weir"

local PROGRAMS = dice.times(100)
local SEED = dice.seed
local RETRIES = 5 -- while things fail

-- ------------------------------------------------------------------------------------------------
-- Programs: lists of statements; each that is durable has a name of its own

local library -- the bodies of all workflows of a tree
local world -- what fails, what else happens, and how often the steps were done

local function new_maker(roll)
  local maker = { named = 0, left = 6 + roll(14) }

  function maker.name()
    maker.named = maker.named + 1
    return "n" .. maker.named
  end

  function maker.program(depth)
    local at = #library + 1
    library[at] = false
    library[at] = maker.body(depth + 1, 3)
    return at
  end

  function maker.graph(depth)
    local nodes = {}
    for i = 1, 1 + roll(5) do
      local needs = {}
      for j = 1, i - 1 do
        if roll(3) == 1 then needs[#needs + 1] = "k" .. j end
      end
      nodes[i] = {
        key = "k" .. i, program = maker.program(depth + 1), needs = needs, optional = roll(5) == 1,
        when = needs[1] and ({ "any", "settled" })[roll(8)] or nil,
      }
    end
    library[#library + 1] = { graph = nodes }
    return #library
  end

  function maker.items(depth)
    local items = {}
    for i = 1, 1 + roll(3) do items[i] = maker.body(depth + 1, 2) end
    return items
  end

  function maker.statement(depth)
    local kind = roll(17)
    if kind <= 4 then return { "step", maker.name(), undo = roll(4) == 1 } end
    if kind == 5 then return { "sleep", maker.name(), ms = roll(20) - 1 } end
    if kind <= 8 and depth < 6 then return { "child", maker.name(), program = maker.program(depth) } end
    if kind == 9 and depth < 4 then return { "graph", maker.name(), program = maker.graph(depth) } end
    if kind == 10 then
      return { "late", maker.name(), again = maker.name(), on_timeout = roll(2) == 1 and "abandon" or nil }
    end
    if kind <= 12 and depth < 5 then return { "all", items = maker.items(depth) } end
    if kind == 13 and depth < 5 then return { "guard", body = maker.body(depth + 1, 2), fallback = maker.name() } end
    if kind <= 15 then return { "shared", maker.name(), program = maker.shared(roll(2)) } end
    if kind == 16 and depth < 5 then return { "loose", maker.name(), program = maker.program(depth) } end
    return { "bug", maker.name() }
  end

  -- Workflows that several runs invoke, wherever they are; they invoke nothing that could wait for those.
  local shared = {}
  function maker.shared(which)
    if not shared[which] then
      library[#library + 1] = {
        { "step", maker.name() }, { "sleep", maker.name(), ms = roll(20) }, { "step", maker.name(), undo = true },
      }
      shared[which] = #library
    end
    return shared[which]
  end

  function maker.body(depth, longest) return dice.body(roll, maker, depth, longest) end

  return maker
end

-- ------------------------------------------------------------------------------------------------
-- Running them

local execute

local function count(list, path) list[path] = (list[path] or 0) + 1 end

local statements = {}

function statements.step(ctx, one)
  local name = one[2]
  local path = ctx.run.id .. ":" .. name
  return ctx:step {
    id = name, retry = { attempts = 1 },
    run = function()
      if world.fails[name] then error("broken " .. name, 0) end
      count(world.done, path)
      return name
    end,
    undo = one.undo and function() count(world.undone, path) end or nil,
  }
end

function statements.sleep(ctx, one) ctx:sleep { id = one[2], duration = one.ms / 1000 } end

function statements.child(ctx, one)
  return (ctx:invoke { id = one[2], workflow = "program", data = { program = one.program } })
end

function statements.shared(ctx, one)
  return (ctx:invoke {
    id = one[2], workflow = "program", data = { program = one.program }, dedupe = { key = "p" .. one.program },
  })
end

function statements.loose(ctx, one)
  ctx:invoke { id = one[2], workflow = "program", data = { program = one.program }, detached = true }
end

function statements.graph(ctx, one)
  ctx:invoke { id = one[2], workflow = "graph", data = { program = one.program } }
end

-- Its time is always over before the child has ended.
function statements.late(ctx, one)
  local ok, err = pcall(ctx.invoke, ctx, {
    id = one[2], workflow = "slow", timeout = "5ms", on_timeout = one.on_timeout,
  })
  if not ok and err.code ~= "timeout" then error(err, 0) end
  statements.step(ctx, { "step", one.again })
end

function statements.all(ctx, one)
  local branches = {}
  for i, body in ipairs(one.items) do
    branches[i] = function(own) return execute(own, body) end
  end
  return ctx:all(branches)
end

function statements.guard(ctx, one)
  local ok, err = pcall(execute, ctx, one.body)
  if ok then return end
  if err.code == "cancelled" then error(err, 0) end -- what is done then is cleaning up, and done anew
  statements.step(ctx, { "step", one.fallback })
end

-- An error of the workflow's own.
function statements.bug(_, one)
  if world.fails[one[2]] then error("bug " .. one[2], 0) end
end

function execute(ctx, body)
  local results = weir.array {}
  for i, one in ipairs(body) do
    local value = statements[one[1]](ctx, one)
    results[i] = value == nil and json.null or value
  end
  return results
end

local function nodes_of(data)
  local nodes = {}
  for i, node in ipairs(library[data.program].graph) do
    nodes[i] = {
      key = node.key, workflow = "program", depends_on = node.needs[1] and node.needs or nil, when = node.when,
      optional = node.optional, data = function() return { program = node.program } end,
    }
  end
  return nodes
end

local function definitions()
  local once = { attempts = 1 }
  return {
    weir.workflow { id = "program", retry = { attempts = 2, delay = 0.003 }, cancel_grace = "1h",
      run = function(ctx, data) return execute(ctx, library[data.program]) end },
    weir.workflow { id = "slow", retry = once, run = function(ctx) ctx:sleep { id = "nap", duration = 0.02 } end },
    weir.graph { id = "graph", nodes = nodes_of },
  }
end

-- ------------------------------------------------------------------------------------------------
-- The command, over the runs in memory

local made -- the driver under test

local function fields_of(run)
  local list = {}
  for field, value in pairs(run.fields) do list[#list + 1], list[#list + 2] = field, value end
  for _, field in ipairs { "state", "attempt", "turn", "number" } do
    list[#list + 1], list[#list + 2] = field, tostring(run[field])
  end
  if run.detached then list[#list + 1], list[#list + 2] = "detached", "1" end
  return list
end

local function read(id)
  local run = made.records[id]
  return run and record.read(id, fields_of(run))
end

function redis.inspect(ids)
  local runs = {}
  for _, id in ipairs(ids) do runs[id] = read(id) end
  return runs
end

local function say_retry(group)
  local chain = {}
  for i = 3, #group, 3 do chain[#chain + 1], chain[#chain + 2] = group[i], group[i + 2] end
  made:retry(table.unpack(chain))
  return { "retried" }
end

function redis.call(...)
  local replies = {}
  for i, group in ipairs { ... } do replies[i] = say_retry(group) end
  return replies
end

function redis.registry() return made.registry end

-- ------------------------------------------------------------------------------------------------
-- Disturbing them

local ENDED = { completed = true, failed = true, cancelled = true }

local function disturb(self, id, roll)
  local kind = roll(60)
  if kind == 1 and self.crashes then
    self:crash(id)
  elseif kind <= 4 and self:state(id) == "waiting" then
    self:drop(id)
  elseif kind == 5 and roll(6) == 1 and world.cancels then
    self:cancel(self.order[roll(#self.order)], nil, world.termination and roll(3) == 1)
  elseif kind <= 16 then
    self.now = self.now + roll(4)
    self:promote()
  end
end

local function new_driver(roll, seed, disturbed)
  local options = { workflows = definitions(), max_crashes = math.huge, max_events = 20000 }
  if disturbed then
    options.random, options.inlined, options.always_replay = roll, roll(3) > 1, roll(4) == 1
    options.on_event = function(self, id) disturb(self, id, roll) end
  end
  made = driver.new(options)
  made.crashes = disturbed and roll(2) == 1
  made:start("program", { program = 1 }, { id = "p" .. seed, seed = seed })
  return made
end

local function break_some(roll, names, one_in)
  world.fails = {}
  for i = 1, names do
    if roll(one_in) == 1 then world.fails["n" .. i] = true end
  end
end

-- A node depends on one more of those that stand before it.
local function add_edge(roll, nodes)
  local user = roll(#nodes)
  local need = user > 1 and nodes[roll(user - 1)].key
  for _, key in ipairs(nodes[user].needs) do
    if key == need then return end
  end
  if need then table.insert(nodes[user].needs, need) end
end

-- The code is changed: something is not asked for any more, or something new is.
local function change_some(roll, maker)
  local body = library[roll(#library)]
  if body.graph then
    local gone = table.remove(body.graph, roll(#body.graph)).key
    table.insert(body.graph, roll(#body.graph + 1), { key = maker.name(), program = maker.program(6), needs = {} })
    for _, node in ipairs(body.graph) do
      for i = #node.needs, 1, -1 do
        if node.needs[i] == gone then table.remove(node.needs, i) end
      end
      node.when = node.needs[1] and node.when
    end
    add_edge(roll, body.graph)
  elseif body[1] and roll(2) == 1 then
    table.remove(body, roll(#body))
  else
    table.insert(body, roll(#body + 1), { "step", maker.name() })
  end
end

-- Every run ends, also one that no run waits for.
local function finish(id)
  made:finish(id)
  made:finish()
end

local function some_run(roll) return made.order[roll(#made.order)] end

local function retry_something(roll, root)
  local kind, options, id = roll(8), {}, root
  if kind <= 3 then
    id = some_run(roll)
    if kind == 3 and roll(3) == 1 then options.scratch = true end
  elseif kind == 4 then
    options.scratch = true
  elseif kind == 5 then
    local run = read(root)
    local operation = run.operations[roll(math.max(1, #run.operations))]
    options.from = operation and operation.id
  end
  world.generations = world.generations or options.scratch or options.from
  local word = retry.runs({ id }, options)[1].answer
  world.said[word] = (world.said[word] or 0) + 1
end

-- Each step is executed once, unless it was undone since: no kept step is executed again.
local function done_twice()
  if made.crashes or world.generations or world.changes then return nil end
  for path, times in pairs(world.done) do
    local undone = world.undone[path] or 0
    if times > undone + 1 then return ("%s was done %d times and undone %d times"):format(path, times, undone) end
  end
end

-- A node of a graph that has completed began when all was there that it depends on, as the graph was last.
local function too_early()
  for _, id in ipairs(made.order) do
    local run = made:state(id) == "completed" and made.records[id].workflow == "graph" and read(id)
    local numbers = {}
    for _, operation in ipairs(run and run.operations or {}) do numbers[operation.id] = operation.number end
    for _, operation in ipairs(run and run.operations or {}) do
      for _, need in ipairs(operation.number and not operation.when and operation.depends_on or {}) do
        if not numbers[need] or numbers[need] > operation.after then
          return ("%s/%s was begun before %s had ended"):format(id, operation.id, need)
        end
      end
    end
  end
end

local function play(seed)
  local roll = dice.of(seed)
  library = {}
  world = { fails = {}, done = {}, undone = {}, said = {} }
  local maker = new_maker(roll)
  maker.program(0)
  new_driver(roll, seed, false)
  local root = "p" .. seed
  local expected = made:finish(root).result

  world = {
    fails = {}, done = {}, undone = {}, said = {},
    cancels = roll(2) == 1, termination = roll(2) == 1, changes = roll(3) == 1,
  }
  break_some(roll, maker.named, 3)
  new_driver(roll, seed, true)
  finish(root)
  for _ = 1, RETRIES do
    if roll(2) == 1 then break_some(roll, maker.named, 2 + roll(8)) end
    if roll(12) == 1 then world.fails = {} end
    if world.changes then change_some(roll, maker) end
    retry_something(roll, root)
    if world.cancels and roll(6) == 1 then made:cancel(root) end
    finish(root)
    local fault = made:fault() or done_twice()
    if fault then return fault end
  end
  world.fails, world.cancels = {}, false
  if made:state(root) ~= "completed" then
    local reply = retry.runs({ root }, {})[1]
    if reply.answer ~= "retried" then return "cannot be retried: " .. reply.message end
    finish(root)
  end
  local early = too_early()
  if early then return early end
  local view = made:view(root)
  if view.state ~= "completed" then
    return ("%s is %s: %s"):format(root, view.state, tostring(view.error))
  end
  if not world.changes and json.encode(view.result) ~= json.encode(expected) then
    return ("result %s, expected %s"):format(json.encode(view.result), json.encode(expected))
  end
  return made:fault() or done_twice()
end

local function check_all()
  for _, id in ipairs(made.order) do
    if not ENDED[made:state(id)] then return id .. " is " .. made:state(id) end
    local text = made.records[id].fields.error
    if text and text:find "lua/weir/" then return id .. ": " .. text end
  end
end

describe("random trees of runs", function()
  it("that fail, are cancelled and retried end as if nothing had been", function()
    local retried = 0
    for seed = SEED, SEED + PROGRAMS - 1 do
      local ok, fault = xpcall(play, debug.traceback, seed)
      fault = not ok and fault or fault or check_all()
      assert(not fault, ("%s: %s"):format(dice.repeats(seed), fault))
      retried = retried + (world.said.retried or 0)
    end
    assert.is_true(retried >= PROGRAMS // 2)
  end)
end)
