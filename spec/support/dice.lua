-- dice: the chance that random specs run on. The same numbers in each run, so that a test which passed passes again;
-- `make soak` throws others, and many more of them.
--
-- WEIR_SEED=7 begins at a seed (a failure names its own), WEIR_SEED=new at one never seen; WEIR_TIMES=20 plays that
-- many times more.

local given = os.getenv "WEIR_SEED" or "1"

local dice = {}

---@type integer the first seed; a spec that plays n times goes on to seed + n - 1
dice.seed = given == "new" and os.time() or math.tointeger(tonumber(given)) or error "WEIR_SEED is no integer"

---How often a spec plays.
---@param usual integer
---@return integer
function dice.times(usual)
  return usual * (math.tointeger(tonumber(os.getenv "WEIR_TIMES" or 1)) or error "WEIR_TIMES is no integer")
end

---A stream of chance of its own, as what it decides must be repeatable by its seed.
---@param seed integer
---@return fun(n: integer): integer roll 1 to n
function dice.of(seed)
  local state = seed * 0x9e3779b97f4a7c15
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n + 1
  end
end

---Fills a list with up to `longest` statements of a program, as long as any are left.
---@param roll fun(n: integer): integer
---@param maker { left: integer, statement: fun(depth: integer): table }
---@param depth integer
---@param longest integer
---@return table[]
function dice.body(roll, maker, depth, longest)
  local body = {}
  for i = 1, roll(longest) do
    if maker.left <= 0 then break end
    maker.left = maker.left - 1
    body[i] = maker.statement(depth)
  end
  return body
end

---The beginning of the message of a failure.
---@param seed integer
---@return string
function dice.repeats(seed) return ("WEIR_SEED=%d"):format(seed) end

return dice
