-- One workflow invokes two others and uses both results.
--
--   weir run task-a --dir workflows --data '{"value":10,"message":"hello"}'
local weir = require "weir"

local task_b = weir.workflow {
  id = "task-b",
  schema = {
    type = "object",
    required = { "number" },
    properties = { number = { type = "number" } },
  },
  run = function(_, data)
    return data.number * 2
  end,
}

local task_c = weir.workflow {
  id = "task-c",
  schema = {
    type = "object",
    required = { "text" },
    properties = { text = { type = "string" } },
  },
  run = function(_, data)
    return data.text:upper()
  end,
}

local task_a = weir.workflow {
  id = "task-a",
  schema = {
    type = "object",
    required = { "value", "message" },
    properties = { value = { type = "number" }, message = { type = "string" } },
  },
  run = function(ctx, data)
    -- An invoke returns what the child returned, nothing wrapped around it.
    local doubled = ctx:invoke {
      id = "call-task-b",
      workflow = "task-b",
      data = { number = data.value },
    }
    local uppercased = ctx:invoke {
      id = "call-task-c",
      workflow = "task-c",
      data = { text = data.message },
    }
    return { doubled = doubled, uppercased = uppercased }
  end,
}

return { task_a, task_b, task_c }
