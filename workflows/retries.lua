-- Retries: of an invoke, by a loop of one's own or by a policy that weir follows.
--
--   weir run retry-by-hand --dir workflows --data '{"works_on":3}'
local weir = require "weir"

local max_attempts <const> = 3

local function answer(attempt, works_on)
  if attempt < works_on then
    error(weir.error {
      code = "unavailable",
      message = ("not available on attempt %d"):format(attempt),
    })
  end
  return { answer = 42 }
end

-- Tried once, whatever happens: here the parent decides about attempts.
local unreliable_function = weir.workflow {
  id = "unreliable-function",
  retry = { attempts = 1 },
  run = function(_, data)
    return answer(data.attempt, data.works_on)
  end,
}

-- Each attempt is an operation with an id of its own, and so is each wait between two of them.
-- Failures are remembered as firmly as results: on replay no attempt is made a second time.
local by_hand = weir.workflow {
  id = "retry-by-hand",
  run = function(ctx, data)
    local last_error
    for attempt = 1, max_attempts do
      if attempt > 1 then
        ctx:sleep { id = "wait_" .. attempt, duration = 0.01 * 2 ^ attempt } -- seconds
      end
      local tried = ctx:spawn {
        id = "attempt_" .. attempt,
        workflow = "unreliable-function",
        data = { attempt = attempt, works_on = data.works_on },
      }:settle()
      if tried.ok then
        return { status = "success", result = tried.value, attempts = attempt }
      end
      last_error = tried.error
    end
    return { status = "failed", error = last_error.message, attempts = max_attempts }
  end,
}

local unsteady_function = weir.workflow {
  id = "unsteady-function",
  run = function(ctx, data)
    return answer(ctx.run.attempt, data.works_on)
  end,
}

-- The same without the loop: one operation, whose child weir tries again. An invoke also returns
-- what can be said about its child: id, attempts, started_at, finished_at.
local by_policy = weir.workflow {
  id = "retry-by-policy",
  run = function(ctx, data)
    local result, info = ctx:invoke {
      id = "unsteady",
      workflow = "unsteady-function",
      data = data,
      retry = { attempts = max_attempts, delay = "40ms", backoff = "exponential", jitter = false },
    }
    return { status = "success", result = result, attempts = info.attempts }
  end,
}

return { by_hand, unreliable_function, by_policy, unsteady_function }
