-- One process of spec/random_processes_spec.lua: plays random programs and writes what their runs did.
--
--   lua5.4 spec/support/elsewhere.lua SEED PROGRAMS

package.path = "lua/?.lua;lua/?/init.lua;?.lua;" .. package.path
package.cpath = "build/native/?.so;" .. package.cpath

local driver = require "spec.support.driver"

local seed, count = math.tointeger(arg[1]), math.tointeger(arg[2])

-- Another process has other addresses, other hashes of texts and other garbage: some of that by force.
local ballast = {}
for i = 1, os.time() % 1000 + #os.tmpname() do ballast[i] = { [tostring(ballast)] = function() return i end } end

-- The same dice in each process.
local state = seed
local function roll(n)
  state = (state * 6364136223846793005 + 1442695040888963407)
  return (state >> 33) % n + 1
end

-- Each puts something that may differ between processes into `say`.
local FRAGMENTS = {
  -- equal elements, and a list whose halves are sorted
  [[local t = {} for i = 1, N do t[i] = { n = i, key = (i <= N // 2 and i or i - N // 2) // 25 } end
    table.sort(t, function(a, b) return a.key < b.key end)
    local order = {} for i, one in ipairs(t) do order[i] = one.n end
    say(table.concat(order, " "))]],
  [[local t = {} for i = 1, N do t[i] = i % 2 == 0 and i * 1.0 or i end
    for i = 1, N do t[N + i] = i end
    table.sort(t) say(table.concat(t, " "))]],
  -- addresses
  [[say(tostring({}), tostring(print), tostring(coroutine.create(print)), tostring(shared), tostring(ctx))]],
  [[say(("%s|%p|%10p"):format({}, shared, "text"), string.format("%s", function() return N end))]],
  [[local set = {} for i = 1, N % 7 + 2 do set[tostring({})] = i end
    for key, value in pairs(set) do say(key, value) end]],
  -- the order of sets
  [[local set = {} for i = 1, N do set["k" .. (i * 7919 % N)] = i end
    for key in pairs(set) do say(key) end say((next(set)))]],
  [[local t = { 1, 2, nil, 4, x = 1, y = 2 } for key in pairs(t) do say(key) end]],
  -- clocks and zones
  [[say(os.date(), os.date("%H %Z", N * 86400), os.time { year = 2024, month = N % 12 + 1, day = 31, hour = 2 })]],
  [[local d = os.date("*t", N * 3600) say(d.hour, d.day, d.isdst, os.clock(), os.time())]],
  -- chance
  [[say(math.random(N), ctx:random(), ctx:uuid())]],
  -- closures that a collection may take
  [[local kept = {} for i = 1, N do kept[i] = function() return i end end
    say(tostring(kept[N]), kept[N]()) kept = nil
    for _ = 1, 100 do local _ = { N } end]],
  [[say(pcall(setmetatable, {}, { __mode = "k" }))]],
}

local ACTIONS = {
  [[ctx:step(digest(), function() return N end)]],
  [[ctx:sleep { id = digest(), duration = N / 1000 }]],
  [[ctx:invoke { id = digest(), workflow = "leaf", data = { N } }]],
  [[ctx:all { function(own) own:step(digest(), function() return tostring({}) and 1 end) end,
              function(own) own:sleep { id = digest(), duration = "1ms" } end }]],
}

local function program()
  local lines = {}
  for i = 1, 3 + roll(8) do
    local list = roll(3) == 1 and ACTIONS or FRAGMENTS
    lines[i] = "do local N = " .. 90 + roll(300) .. " " .. list[roll(#list)] .. " end"
  end
  lines[#lines + 1] = "do local N = 1 " .. ACTIONS[1] .. " end"
  return ([[
    local weir = require "weir"
    local shared = {}
    local loaded = tostring(shared) .. tostring(print)
    return weir.workflow { id = "w", run = function(ctx)
      local said, count = { loaded }, 0
      local function say(...)
        for _, value in ipairs { ... } do said[#said + 1] = tostring(value) end
      end
      local function digest() -- an id that all said so far is part of
        local hash = 5381
        for _, text in ipairs(said) do for at = 1, #text do hash = (hash * 33 + text:byte(at)) & 0xffffffff end end
        count = count + 1
        return ("%08x-%d"):format(hash, count)
      end
      PROGRAM
      return said
    end }]]):gsub("PROGRAM", function() return table.concat(lines, "\n") end)
end

for _ = 1, count do
  local made = driver.new { always_replay = true, strict = true, files = {
    ["w.lua"] = (program()),
    ["leaf.lua"] = 'return require("weir").workflow { id = "leaf", run = function(_, data) return data[1] end }',
  } }
  local view = made:run("w", nil, { id = "r", seed = 42 })
  print(view.state, view.error and view.error.message, view.result and table.concat(view.result, "\t"))
  for _, operation in ipairs(view.operations) do
    print(operation.id, operation.kind, operation.subject, operation.state, operation.after)
  end
end
