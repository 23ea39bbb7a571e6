-- Timeouts of an invoke: set one, fall back when it passes, or let the child go on without us.
-- A timeout counts from the invoke, waiting in the queue and the child's retries included.
--
--   weir run timeout-handling --dir workflows --data '{"takes":"10s","patience":"300ms"}'
local weir = require "weir"

local long_running_function = weir.workflow {
  id = "long-running-function",
  run = function(ctx, data)
    ctx:sleep(data.takes)
    return { took = data.takes }
  end,
}

local configured = weir.workflow {
  id = "timeout-configured",
  run = function(ctx, data)
    return ctx:invoke {
      id = "long_running",
      workflow = "long-running-function",
      data = data,
      timeout = "5m", -- or "250ms", "30s", "2h", "1d", or a number of seconds
    }
  end,
}

local slow_function = weir.workflow {
  id = "slow-function",
  run = function(ctx, data)
    ctx:sleep(data.takes)
    return { answer = 42 }
  end,
}

-- When the timeout passes, the child is cancelled and the invoke raises.
local handling = weir.workflow {
  id = "timeout-handling",
  run = function(ctx, data)
    local slow = ctx:spawn {
      id = "slow",
      workflow = "slow-function",
      data = data,
      timeout = data.patience or "30s",
    }:settle()
    if slow.ok then
      return { status = "success", result = slow.value }
    end
    if slow.error.code ~= "timeout" then
      error(slow.error)
    end
    ctx.log:warn("slow-function timed out, using the fallback")
    return { status = "timeout", fallback = true, error = slow.error.message }
  end,
}

-- With on_timeout = "abandon" the child runs on; its outcome reaches no parent, but can be looked up.
local abandoning = weir.workflow {
  id = "timeout-abandoning",
  run = function(ctx, data)
    local ok, outcome = pcall(ctx.invoke, ctx, {
      id = "slow",
      workflow = "slow-function",
      data = data,
      timeout = data.patience or "30s",
      on_timeout = "abandon",
    })
    if ok then
      return outcome
    end
    if outcome.code ~= "timeout" then
      error(outcome)
    end
    return { see = ctx.run.id .. "/slow" }
  end,
}

return { configured, long_running_function, handling, abandoning, slow_function }
