-- Plays a workflow in each way in which the engine can run it: its coroutine kept or replayed after every turn, its
-- children inlined or not. Each way must come to the same end.

local assert = require "luassert"
local driver = require "spec.support.driver"

local modes = {}

---@type { always_replay: boolean?, inlined: boolean? }[]
modes.ALL = { {}, { always_replay = true }, { inlined = false }, { always_replay = true, inlined = false } }

-- Workflows that every play may invoke.
modes.nap = driver.workflow("nap", function(ctx, data)
  ctx:sleep(data.span or "1h")
  return data.name
end)

-- Cleans up for a second when it is cancelled.
modes.careful = driver.workflow("careful", function(ctx)
  local ok, err = pcall(ctx.sleep, ctx, "1h")
  if not ok then
    ctx:sleep { id = "clean", duration = "1s" }
    error(err)
  end
end)

---A driver in one of the modes.
---@param workflows weir.Definition[]
---@return table made
function modes.new(mode, workflows)
  return driver.new { workflows = workflows, always_replay = mode.always_replay, inlined = mode.inlined }
end

---Plays on a run "r" of workflow "w", in each mode, to the end of all runs.
---@param definitions weir.Definition[]|function a function is the body of "w"
---@param play fun(made: table)
---@param before fun()? is called before each mode
function modes.each(definitions, play, before)
  if type(definitions) == "function" then definitions = { driver.workflow("w", definitions) } end
  for _, mode in ipairs(modes.ALL) do
    if before then before() end
    local made = modes.new(mode, { modes.nap, modes.careful, table.unpack(definitions) })
    made:start("w", nil, { id = "r" })
    play(made)
    made:finish()
    assert.is_nil(made:fault())
  end
end

---The end of the run, which must be the same in each mode.
---@param definitions weir.Definition[]|function
---@param play fun(made: table)?
---@return table view
function modes.view_of(definitions, play)
  local views = {}
  modes.each(definitions, function(made)
    if play then play(made) end
    table.insert(views, made:finish("r"))
  end)
  for i = 2, #views do
    assert.equal(views[1].state, views[i].state)
    assert.same(views[1].result, views[i].result)
    assert.same(views[1].error, views[i].error)
    assert.equal(views[1].finished_at, views[i].finished_at)
  end
  return views[1]
end

return modes
