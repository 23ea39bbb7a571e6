-- A graph that fans out: three nodes run side by side once the one before them has completed. Each stands in the queue
-- of the machines that can do it.
--
--   weir run parallel-processing --dir workflows --data '{"url":"https://example.org/data"}'
local weir = require "weir"

local fetch = weir.workflow {
  id = "fetch",
  run = function(_, data) return { url = data.url, numbers = { 1, 2, 3, 4 } } end,
}

local operations = {
  a = function(numbers)
    local sum = 0
    for _, number in ipairs(numbers) do sum = sum + number end
    return sum
  end,
  b = function(numbers) return math.max(table.unpack(numbers)) end,
  c = function(numbers) return #numbers end,
}

local process = weir.workflow {
  id = "process-numbers",
  run = function(ctx, data) return operations[data.type](ctx.deps.fetch.numbers) end,
}

local nodes = { { key = "fetch", workflow = "fetch", data = function(input) return { url = input.url } end } }
for _, kind in ipairs { "a", "b", "c" } do
  nodes[#nodes + 1] = {
    key = "process-" .. kind, workflow = "process-numbers", queue = "cpu", data = { type = kind },
    depends_on = { "fetch" },
  }
end

return { weir.graph { id = "parallel-processing", nodes = nodes }, fetch, process }
