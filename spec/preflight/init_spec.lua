local preflight = require "weir.preflight"

local function runs(count, workflow, state)
  local list = {}
  for i = 1, count do
    list[i] = { id = ("%s-%s-%02d"):format(workflow, state, i), workflow = workflow, state = state, created_at = i }
  end
  return list
end

local function ids(chosen)
  local list = {}
  for i, run in ipairs(chosen) do list[i] = run.id end
  return list
end

describe("the sample of a preflight", function()
  it("is all runs where there are few", function()
    assert.equal(7, #preflight.sample(runs(7, "a", "waiting"), 10))
  end)

  it("has as many of each workflow and state, the newest and the oldest first", function()
    local all = {}
    for _, list in ipairs { runs(50, "a", "waiting"), runs(1, "a", "retrying"), runs(50, "b", "waiting") } do
      for _, run in ipairs(list) do all[#all + 1] = run end
    end
    assert.same({ "a-retrying-01", "a-waiting-50", "b-waiting-50", "a-waiting-01", "b-waiting-01", "a-waiting-49",
      "b-waiting-49" }, ids(preflight.sample(all, 7)))
  end)

  it("is said in a sentence, with the places of mismatches and how many were looked at", function()
    local function sentence(fields)
      local result = { looked = 5, found = 5, partial = false, continue = 5, faults = {} }
      for name, value in pairs(fields) do result[name] = value end
      return preflight.sentence(result)
    end
    assert.is_nil(sentence { found = 0, looked = 0, continue = 0 })
    assert.equal("5 runs would continue", sentence {})
    local mismatch = { code = "replay_mismatch", line = "order.lua:45" }
    assert.equal("2 runs would continue, 2 would mismatch at order.lua:45, 1 would fail at pay.lua:3 "
      .. "(looked at 5 of 9 runs)",
      sentence { continue = 2, found = 9, partial = true,
                 faults = { mismatch, { code = "error", line = "pay.lua:3" }, mismatch } })
    assert.equal("1 run would continue, 1 would mismatch at w", sentence { continue = 1, looked = 2, found = 2,
      faults = { { code = "replay_mismatch", workflow = "w" } } })
  end)
end)
