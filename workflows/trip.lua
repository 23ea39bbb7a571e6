-- Compensation: when a later booking fails (as with "sold_out":true), or the run is cancelled, what was booked before
-- is taken back, newest first.
--
--   weir run trip --dir workflows --data '{"to":"Vienna"}'
local weir = require "weir"

local function book(ctx, what, to)
  return ctx:step {
    id = what,
    run = function() return { booking = what .. "-" .. to } end,
    undo = function(result) print("giving back " .. result.booking) end,
  }
end

local pay = weir.workflow { id = "pay-trip", run = function(_, data) return { paid = data.amount } end }

local trip = weir.workflow {
  id = "trip",
  run = function(ctx, data)
    local flight, hotel = book(ctx, "flight", data.to), book(ctx, "hotel", data.to)
    local paid = ctx:invoke { id = "pay", workflow = "pay-trip", data = { amount = 500 } }
    ctx:undo("pay", function(own) -- workflow code: it may invoke, sleep and wait
      own:invoke { id = "refund", workflow = "pay-trip", data = { amount = -500 } }
    end)
    ctx:step("ticket", function()
      if data.sold_out then error(weir.fatal("the opera in " .. data.to .. " is sold out")) end
      return true
    end)
    return { to = data.to, bookings = { flight.booking, hotel.booking }, paid = paid.paid }
  end,
}

return { trip, pay }
