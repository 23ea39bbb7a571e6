-- A chain: the result of each child is the data of the next.
--
--   weir run chained --dir workflows --data '"The cat saw the dog"'
local weir = require "weir"

local preprocessor = weir.workflow {
  id = "preprocessor",
  run = function(_, text)
    -- An empty Lua table is a JSON object; weir.array says that this one is a list, even if empty.
    local words = weir.array {}
    for word in text:lower():gmatch("%a+") do
      words[#words + 1] = word
    end
    return words
  end,
}

local analyzer = weir.workflow {
  id = "analyzer",
  run = function(_, words)
    local counts = {}
    for _, word in ipairs(words) do
      counts[word] = (counts[word] or 0) + 1
    end
    return { total = #words, counts = counts }
  end,
}

local finalizer = weir.workflow {
  id = "finalizer",
  run = function(_, analysis)
    -- pairs goes by the bytes of the key, here and on every replay, so ties have one winner.
    local most, count = nil, 0
    for word, times in pairs(analysis.counts) do
      if times > count then
        most, count = word, times
      end
    end
    return { words = analysis.total, most_common = most, count = count }
  end,
}

local chained = weir.workflow {
  id = "chained",
  run = function(ctx, text)
    local words = ctx:invoke { id = "step-1", workflow = "preprocessor", data = text }
    local analysis = ctx:invoke { id = "step-2", workflow = "analyzer", data = words }
    return ctx:invoke { id = "step-3", workflow = "finalizer", data = analysis }
  end,
}

return { chained, preprocessor, analyzer, finalizer }
