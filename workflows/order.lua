-- An order, validated and then paid: sequential invokes, an early return, a timeout, an error.
--
--   weir run process-order --dir workflows --data '{"order_id":"order-17","amount":99.5}'
local weir = require "weir"

local review_above <const> = 10000
local refuse_above <const> = 50000

local validate_order = weir.workflow {
  id = "validate-order",
  run = function(_, data)
    if not data.order_id:find("^order%-%d+$") then
      return { valid = false, reason = data.order_id .. " is not the number of an order" }
    end
    return { valid = true }
  end,
}

local process_payment = weir.workflow {
  id = "process-payment",
  run = function(ctx, data)
    if data.amount > refuse_above then
      error(weir.error {
        code = "payment_refused",
        message = ("%s is more than we take"):format(data.amount),
        retryable = false,
      })
    end
    if data.amount > review_above then
      ctx:sleep { id = "review", duration = "1h" }
    end
    -- Code that touches the world outside is a step. A step may run again if its process dies
    -- before the outcome is recorded. A real step takes (try) and sends try.key along. The key is
    -- the same for each try, so that the card is charged once.
    return ctx:step("charge", function()
      return { transaction_id = "txn-" .. data.order_id }
    end)
  end,
}

local process_order = weir.workflow {
  id = "process-order",
  schema = {
    type = "object",
    required = { "order_id", "amount" },
    properties = {
      order_id = { type = "string" },
      amount = { type = "number", minimum = 0 },
      patience = { type = "string" },
    },
  },
  run = function(ctx, data)
    local check = ctx:invoke {
      id = "validate",
      workflow = "validate-order",
      data = { order_id = data.order_id },
    }
    if not check.valid then
      return { status = "rejected", reason = check.reason }
    end

    local payment = ctx:spawn {
      id = "pay",
      workflow = "process-payment",
      data = { order_id = data.order_id, amount = data.amount },
      timeout = data.patience or "30s",
    }:settle()
    if payment.ok then
      return {
        status = "completed",
        order_id = data.order_id,
        transaction_id = payment.value.transaction_id,
      }
    end
    if payment.error.code == "timeout" then
      -- The payment is being cancelled; whether it came to the charge, its run tells.
      return { status = "pending", order_id = data.order_id }
    end
    error(payment.error) -- raised again as it was, so nothing about it is lost
  end,
}

return { process_order, validate_order, process_payment }
