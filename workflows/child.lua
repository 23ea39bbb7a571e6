-- A parent and its child: the parent holds no worker while it waits, and fails if its child does.
--
--   weir run parent-workflow --dir workflows --data '{"value":16}'
local weir = require "weir"

local child_processor = weir.workflow {
  id = "child-processor",
  run = function(_, data)
    if data.input < 0 then
      error(weir.fatal("the input must not be negative"))
    end
    return { output = data.input * 2 }
  end,
}

-- Nothing is caught here: a failure of the child, when its attempts are used up, ends the parent
-- as `Child execution failed: the input must not be negative`, with the child's error as cause.
local parent_workflow = weir.workflow {
  id = "parent-workflow",
  run = function(ctx, data)
    local child = ctx:invoke {
      id = "process-step",
      workflow = "child-processor",
      data = { input = data.value },
    }
    return { result = child.output + 10 }
  end,
}

return { parent_workflow, child_processor }
