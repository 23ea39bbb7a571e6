-- Children side by side: all are started before the first is waited for.
--
--   weir run parallel --dir workflows --data '{"number":10,"text":"hello"}'
local weir = require "weir"

-- One child each: spawn starts it and returns a future; all waits for them and gives every result
-- under the key of its future (a list of futures gives a list of results).
local parallel = weir.workflow {
  id = "parallel",
  run = function(ctx, data)
    return ctx:all {
      doubled = ctx:spawn { id = "call-b", workflow = "task-b", data = { number = data.number } },
      uppercased = ctx:spawn { id = "call-c", workflow = "task-c", data = { text = data.text } },
    }
  end,
}

-- Several operations each: a function is a branch, and what is invoked in it is invoked in order.
-- A branch is a scope, so both may call their operation "first".
local branches = weir.workflow {
  id = "parallel-branches",
  run = function(ctx, data)
    return ctx:all {
      quadrupled = function(branch)
        local doubled = branch:invoke {
          id = "first",
          workflow = "task-b",
          data = { number = data.number },
        }
        return branch:invoke { id = "again", workflow = "task-b", data = { number = doubled } }
      end,
      uppercased = function(branch)
        return branch:invoke { id = "first", workflow = "task-c", data = { text = data.text } }
      end,
    }
  end,
}

return { parallel, branches }
