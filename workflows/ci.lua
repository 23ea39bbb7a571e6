-- A graph of several stages: checkout, install and build one after the other, three kinds of tests side by side, then
-- deploy, then notify. `coverage` may fail without harm; `report` runs whatever became of the tests. With
-- "broken":"unit-tests" they fail, and nothing is deployed.
--
--   weir run ci --dir workflows --data '{"repo":"https://example.org/weir.git"}'
local weir = require "weir"

-- Stands for what a machine would do: clone, compile, test.
local job = weir.workflow {
  id = "ci-job",
  retry = { attempts = 1 },
  run = function(ctx, data)
    return ctx:step { id = "work", retry = { attempts = 1 }, run = function()
      if data.broken == data.job then error(data.job .. " is broken") end
      return { job = data.job, ok = true }
    end }
  end,
}

local report = weir.workflow {
  id = "ci-report",
  run = function(ctx)
    local lines = weir.array {}
    for _, key in ipairs { "unit-tests", "integration-tests", "e2e-tests" } do
      local outcome = ctx.deps(key)
      lines[#lines + 1] = key .. ": " .. (outcome.ok and "ok" or outcome.error and outcome.error.message or "not run")
    end
    return lines
  end,
}

local function node(key, depends_on, more)
  local made = {
    key = key, workflow = "ci-job", depends_on = depends_on, timeout = "10m",
    data = function(input) return { job = key, broken = input.broken } end,
  }
  for field, value in pairs(more or {}) do made[field] = value end
  return made
end

local TESTS = { "unit-tests", "integration-tests", "e2e-tests" }

local ci = weir.graph {
  id = "ci",
  nodes = {
    node("checkout"),
    node("install", { "checkout" }),
    node("build", { "install" }, { timeout = "1h" }),
    node("unit-tests", { "build" }),
    node("integration-tests", { "build" }),
    node("e2e-tests", { "build" }, { priority = 10 }), -- the longest first
    node("coverage", { "unit-tests" }, { optional = true }),
    { key = "report", workflow = "ci-report", depends_on = TESTS, when = "settled" },
    node("deploy", TESTS, { queue = "cd" }),
    node("notify", { "deploy" }, { queue = "notifications" }),
  },
}

return { ci, job, report }
