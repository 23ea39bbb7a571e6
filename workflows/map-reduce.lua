-- A graph that fans in: a node waits for several others and goes through what they returned.
--
--   weir run map-reduce --dir workflows --data '{"text":"the weir holds the river and lets the river through"}'
local weir = require "weir"

local PARTS = 3

-- Counts the words of one part of the text.
local map = weir.workflow {
  id = "count-words",
  run = function(_, data)
    local counts, n = {}, 0
    for word in data.text:gmatch "%a+" do
      n = n + 1
      if n % PARTS == data.part % PARTS then counts[word] = (counts[word] or 0) + 1 end
    end
    return counts
  end,
}

local reduce = weir.workflow {
  id = "sum-words",
  run = function(ctx)
    local sums = {}
    for _, counts in pairs(ctx.deps) do
      for word, count in pairs(counts) do sums[word] = (sums[word] or 0) + count end
    end
    return sums
  end,
}

local nodes, maps = {}, {}
for part = 1, PARTS do
  maps[part] = "map-" .. part
  nodes[part] = {
    key = maps[part], workflow = "count-words",
    data = function(input) return { text = input.text, part = part } end,
  }
end
nodes[#nodes + 1] = { key = "reduce", workflow = "sum-words", depends_on = maps }

return { weir.graph { id = "map-reduce", nodes = nodes }, map, reduce }
