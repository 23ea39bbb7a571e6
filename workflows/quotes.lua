-- A step with retry, settle and race: living with others that drop the line, fail or dawdle.
--
--   weir run fastest-quote --dir workflows --data '{"carriers":[
--     {"name":"turtle","takes":"1h","price":3},{"name":"hare","takes":"300ms","price":9}]}'
local weir = require "weir"

-- A step runs ordinary Lua once and remembers what it returned. If it raises, only the step is
-- tried again; what went before it in the run (the sleep) is done.
local carrier_quote = weir.workflow {
  id = "carrier-quote",
  run = function(ctx, carrier)
    ctx:sleep(carrier.takes)
    return ctx:step {
      id = "ask",
      retry = { attempts = 3, delay = "10ms", backoff = "exponential", jitter = false },
      run = function(try)
        if try.attempt <= (carrier.drops or 0) then
          error(weir.error { code = "line_dropped", message = carrier.name .. " hung up" })
        end
        return { price = carrier.price, calls = try.attempt }
      end,
    }
  end,
}

local function ask_all(ctx, carriers)
  local quotes = {}
  for _, carrier in ipairs(carriers) do
    quotes[carrier.name] = ctx:spawn {
      id = carrier.name,
      workflow = "carrier-quote",
      data = carrier,
    }
  end
  return quotes
end

-- settle waits for every one and raises nothing: what came is used, what failed is told.
local all_quotes = weir.workflow {
  id = "all-quotes",
  run = function(ctx, data)
    local prices, silent = {}, weir.array {}
    for name, quote in pairs(ctx:settle(ask_all(ctx, data.carriers))) do
      if quote.ok then
        prices[name] = quote.value.price
      else
        silent[#silent + 1] = name
      end
    end
    return { prices = prices, silent = silent }
  end,
}

-- race returns the first to finish and its key, and cancels the others.
local fastest_quote = weir.workflow {
  id = "fastest-quote",
  run = function(ctx, data)
    local quote, name = ctx:race(ask_all(ctx, data.carriers))
    return { carrier = name, price = quote.price }
  end,
}

return { all_quotes, fastest_quote, carrier_quote }
