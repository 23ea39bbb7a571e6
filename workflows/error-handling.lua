-- A child's failure is an ordinary Lua error: catch it, look at it, go on with other work.
--
--   weir run error-handling --dir workflows --data '{"dividend":6,"divisor":0}'
local weir = require "weir"

local risky_workflow = weir.workflow {
  id = "risky-workflow",
  run = function(_, data)
    if data.divisor == 0 then
      error(weir.fatal("cannot divide by zero")) -- fatal: trying again would not help
    end
    return data.dividend / data.divisor
  end,
}

-- Waiting for a child never raises, so a pcall catches failures and only failures. A failure is
-- remembered like a result: after the sleep below the risky child is not started again.
local error_handling = weir.workflow {
  id = "error-handling",
  run = function(ctx, data)
    local ok, outcome = pcall(ctx.invoke, ctx, {
      id = "risky-operation",
      workflow = "risky-workflow",
      data = data,
    })
    if ok then
      return { quotient = outcome }
    end

    ctx.log:error("risky-operation failed", { error = outcome.message })
    ctx:sleep("20ms")
    local fallback = ctx:invoke {
      id = "fallback",
      workflow = "risky-workflow",
      data = { dividend = data.dividend, divisor = 1 },
    }
    return { quotient = fallback, instead_of = outcome.message }
  end,
}

local risky_function = weir.workflow {
  id = "risky-function",
  run = function(_, data)
    local missing = data.amount - data.balance
    if missing > 0 then
      error(weir.error {
        code = "insufficient_funds",
        message = "the balance is too low",
        details = { missing = missing },
        retryable = false,
      })
    end
    return { balance = data.balance - data.amount }
  end,
}

-- settle gives the failure as a value. It carries the child's own error, whole, as its cause;
-- `is` looks through the causes for a code.
local error_status = weir.workflow {
  id = "error-status",
  run = function(ctx, data)
    local withdrawal = ctx:spawn {
      id = "risky_operation",
      workflow = "risky-function",
      data = data,
    }:settle()
    if withdrawal.ok then
      return { status = "success", result = withdrawal.value }
    end

    local failure = withdrawal.error
    if failure:is("insufficient_funds") then
      return { status = "refused", missing = failure.cause.details.missing }
    end
    return { status = "failed", error = tostring(failure) }
  end,
}

return { error_handling, risky_workflow, error_status, risky_function }
