-- A graph made of its input: one node for each item, and one that depends on them all.
--
--   weir run batch --dir workflows --data '{"items":["a","b","c","d","e"]}'
local weir = require "weir"

local batch = weir.graph {
  id = "batch",
  nodes = function(input)
    local nodes, keys = {}, {}
    for i, item in ipairs(input.items) do
      keys[i] = "process-" .. i
      nodes[i] = { key = keys[i], workflow = "process-item", data = { item = item, index = i } }
    end
    nodes[#nodes + 1] = {
      key = "aggregate", workflow = "aggregate", data = { total_items = #input.items }, depends_on = keys,
    }
    return nodes
  end,
}

local process_item = weir.workflow {
  id = "process-item",
  run = function(_, data) return ("%d:%s"):format(data.index, data.item:upper()) end,
}

local aggregate = weir.workflow {
  id = "aggregate",
  run = function(ctx, data)
    local all = weir.array {}
    for _, result in pairs(ctx.deps) do all[#all + 1] = result end
    return { total_items = data.total_items, results = all }
  end,
}

return { batch, process_item, aggregate }
