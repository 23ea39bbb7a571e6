-- Fan-out to several services: one after another, then truly at the same time.
--
--   weir run fan-out-parallel --dir workflows --data '{"question":"how much?"}'
local weir = require "weir"

local services = { "service-a", "service-b", "service-c" }

local function service(id)
  return weir.workflow {
    id = id,
    run = function(_, data)
      return { service = id, result = data }
    end,
  }
end

local sequential = weir.workflow {
  id = "fan-out",
  run = function(ctx, data)
    local results = {}
    for i, name in ipairs(services) do
      results[i] = ctx:invoke { id = "invoke_" .. name, workflow = name, data = data }
    end
    return { results = results }
  end,
}

-- The same loop with spawn instead of invoke: it starts all, and only then waits.
local parallel = weir.workflow {
  id = "fan-out-parallel",
  run = function(ctx, data)
    local futures = {}
    for i, name in ipairs(services) do
      futures[i] = ctx:spawn { id = "invoke_" .. name, workflow = name, data = data }
    end
    return { results = ctx:all(futures) }
  end,
}

return { sequential, parallel, service("service-a"), service("service-b"), service("service-c") }
