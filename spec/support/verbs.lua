-- Shared by the specs of verbs: workflows for them to call, and runs to their ends. Each workflow runs twice, warm and
-- replayed after every turn, with the same result.

local assert = require "luassert"
local driver = require "spec.support.driver"
local weir = require "weir"

local verbs = {}

-- Workflows that the others invoke.
verbs.children = {
  weir.workflow { id = "echo", run = function(_, data) return data end },
  weir.workflow { id = "double", run = function(_, data) return data.value * 2 end },
  weir.workflow { id = "nap", run = function(ctx, data)
    ctx:sleep(data.span)
    return data.name
  end },
  weir.workflow { id = "broken", run = function(_, data)
    local message = "no " .. (data.what or "stock")
    error(weir.error { code = "sold_out", message = message, details = data, retryable = false })
  end },
  weir.workflow { id = "strict", run = function() return "in" end,
    schema = { type = "object", required = { "n" }, properties = { n = { type = "integer" } } } },
}

function verbs.with(run, fields)
  fields = fields or {}
  fields.id, fields.run = fields.id or "w", run
  local definitions = { weir.workflow(fields) }
  return table.move(verbs.children, 1, #verbs.children, 2, definitions)
end

-- Runs a workflow to its end in both ways; the last driver is returned too.
function verbs.run(body, data, options)
  options = options or {}
  local views, made = {}, nil
  for i, always_replay in ipairs { false, true } do
    made = driver.new {
      workflows = verbs.with(body, options.fields), always_replay = always_replay, limits = options.limits,
      inlined = i == 1,
    }
    views[i] = made:run("w", data, { id = "r" })
    made:finish()
    assert.is_nil(made:fault())
  end
  assert.equal(views[1].state, views[2].state)
  assert.same(views[1].result, views[2].result)
  assert.same(views[1].error, views[2].error)
  return views[2], made
end

function verbs.result(body, data, options)
  local view = verbs.run(body, data, options)
  if view.error then error(view.error.message .. "\n" .. (view.error.traceback or ""), 2) end
  assert.equal("completed", view.state)
  return view.result
end

function verbs.failed(body, data, options)
  local view = verbs.run(body, data, options)
  assert.equal("failed", view.state)
  return view.error, view
end

-- The error that a call inside of a workflow raises.
function verbs.raised(body, data, options)
  local caught
  verbs.run(function(ctx, given)
    local ok, err = pcall(body, ctx, given)
    assert(not ok, "nothing was raised")
    caught = err
  end, data, options)
  return caught
end

function verbs.here(text)
  assert.is_truthy(tostring(text):match("^spec/engine/%l+_spec%.lua:%d+: "), "without a place: " .. tostring(text))
  return (tostring(text):gsub("^spec/engine/%l+_spec%.lua:%d+: ", ""))
end

return verbs
