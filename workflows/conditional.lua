-- A child that is only invoked when the data asks for it: an `if`, nothing more.
--
--   weir run conditional --dir workflows --data '{"needs_processing":true,"text":"  a  b "}'
local weir = require "weir"

local processor = weir.workflow {
  id = "processor",
  run = function(_, data)
    local words = {}
    for word in data.text:gmatch("%S+") do
      words[#words + 1] = word
    end
    return { text = table.concat(words, " ") }
  end,
}

local conditional = weir.workflow {
  id = "conditional",
  run = function(ctx, data)
    if not data.needs_processing then
      return { text = data.text }
    end
    return ctx:invoke { id = "process-data", workflow = "processor", data = data }
  end,
}

return { conditional, processor }
