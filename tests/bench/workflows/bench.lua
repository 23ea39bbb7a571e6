-- `make bench` measures these workflows: parents that do one thing many times, and the children they invoke.

local weir = require "weir"

local function invoke_in_sequence(ctx, data)
  for i = 1, data.count do
    ctx:invoke { id = "i" .. i, workflow = data.child, data = {} }
  end
end

return {
  -- Children. The first only computes, so that it is run inside its parent's turn ("inlined"); one that
  -- looks at the clock is never inlined, nor is one with a step.
  weir.workflow { id = "no-op", run = function() return 1 end },
  weir.workflow { id = "clock", run = function(ctx) return ctx:now() > 0 end },
  weir.workflow {
    id = "step",
    run = function(ctx) return ctx:step("work", function() return 1 end) end,
  },
  weir.workflow { id = "later", queue = "later", run = function() return 1 end },

  weir.workflow { id = "sequence", run = invoke_in_sequence },
  weir.workflow {
    id = "parallel",
    run = function(ctx, data)
      local futures = weir.array {}
      for i = 1, data.count do
        futures[i] = ctx:spawn { id = "i" .. i, workflow = data.child, data = {} }
      end
      ctx:all(futures)
    end,
  },
  weir.graph {
    id = "fan-in",
    nodes = function(data)
      local nodes, keys = {}, {}
      for i = 1, data.count do
        keys[i] = "n" .. i
        nodes[i] = { key = keys[i], workflow = "no-op" }
      end
      nodes[#nodes + 1] = { key = "join", workflow = "no-op", depends_on = keys }
      return nodes
    end,
  },
  weir.workflow { id = "sleeper", run = function(ctx) ctx:sleep("30d") end },
  weir.workflow {
    id = "waiter",
    run = function(ctx) ctx:invoke { id = "c", workflow = "later", data = {} } end,
  },
  weir.workflow {
    id = "sequence-then-later",
    run = function(ctx, data)
      invoke_in_sequence(ctx, data)
      ctx:invoke { id = "last", workflow = "later", data = {} }
    end,
  },
}
