-- The children of the conformance cases: one workflow for each way in which a child can end.
local weir = require "weir"

local ONCE = { attempts = 1 }
local SOON = { attempts = 3, delay = "1ms", backoff = "fixed", jitter = false }

-- Only computes, so a host inlines it in its parent's turn.
local double = weir.workflow { id = "double", run = function(_, data) return data.value * 2 end }

local echo = weir.workflow { id = "echo", run = function(_, data) return data end }

-- Logs, so it gets a turn of its own.
local noted = weir.workflow {
  id = "noted",
  run = function(ctx, data)
    ctx.log:info("noted", data)
    return data
  end,
}

-- Sleeps for `ms`.
local nap = weir.workflow {
  id = "nap",
  run = function(ctx, data)
    ctx:sleep(data.ms / 1000)
    return data.value
  end,
}

local day = weir.workflow {
  id = "day",
  run = function(ctx)
    ctx:sleep { id = "long", duration = "1d" }
    return "a day later"
  end,
}

-- Compensates with a child and a step when it is cancelled.
local tidy = weir.workflow {
  id = "tidy",
  run = function(ctx)
    ctx:step { id = "reserve", run = function() return "seat 7" end,
      undo = function(seat) return "gave back " .. seat end }
    ctx:invoke { id = "below", workflow = "day" }
  end,
}

-- Catches its cancel, and cleans up with a child that takes a while.
local cleans = weir.workflow {
  id = "cleans",
  run = function(ctx)
    local _, raised = pcall(ctx.sleep, ctx, "1d")
    ctx:invoke { id = "clean-up", workflow = "nap", data = { ms = 2 } }
    return raised.code
  end,
}

local fails = weir.workflow {
  id = "fails", retry = ONCE,
  run = function(_, data)
    error(weir.error { code = data.code or "no_luck", message = data.message or "not today", details = data.details })
  end,
}

local failing_nap = weir.workflow {
  id = "failing-nap", retry = ONCE,
  run = function(ctx)
    ctx:sleep "300ms"
    error("woke up badly", 0)
  end,
}

-- Fails in its first attempt and has no second one, until a person retries it.
local unlucky = weir.workflow {
  id = "unlucky", retry = ONCE,
  run = function(ctx, data)
    local kept = ctx:step("kept", function() return ctx.run.attempt end)
    if ctx.run.attempt == 1 then error("bad luck", 0) end
    return { kept, data }
  end,
}

-- Fails until its third attempt.
local flaky = weir.workflow {
  id = "flaky", retry = SOON,
  run = function(ctx)
    if ctx.run.attempt < 3 then error("attempt " .. ctx.run.attempt .. " failed", 0) end
    return ctx.run.attempt
  end,
}

local strict = weir.workflow {
  id = "strict",
  schema = {
    type = "object", required = { "amount" }, additionalProperties = false,
    properties = { amount = { type = "integer", minimum = 1 }, note = { type = "string" } },
  },
  run = function(_, data) return data.amount end,
}

-- Invokes itself, `left` times.
local deeper = weir.workflow {
  id = "deeper", retry = ONCE,
  run = function(ctx, data)
    if data.left == 0 then return "the bottom" end
    return ctx:invoke { id = "down", workflow = "deeper", data = { left = data.left - 1 } }
  end,
}

return { double, echo, noted, nap, day, tidy, cleans, fails, failing_nap, flaky, strict, deeper, unlucky }
