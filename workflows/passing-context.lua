-- Passing context: what the first child made goes along to each that follows.
--
--   weir run passing-context --dir workflows --data '{"locale":"fr","data":"Ada"}'
local weir = require "weir"

local greetings = { en = "Hello", fr = "Bonjour" }

local initialize_context = weir.workflow {
  id = "initialize-context",
  run = function(_, data)
    local locale = greetings[data.locale] and data.locale or "en"
    return { locale = locale, greeting = greetings[locale] }
  end,
}

local process_with_context = weir.workflow {
  id = "process-with-context",
  run = function(_, data)
    return { text = ("%s, %s!"):format(data.context.greeting, data.data) }
  end,
}

local finalize = weir.workflow {
  id = "finalize",
  run = function(_, data)
    return { text = data.processed.text, locale = data.context.locale }
  end,
}

local passing_context = weir.workflow {
  id = "passing-context",
  run = function(ctx, data)
    local context = ctx:invoke { id = "initialize", workflow = "initialize-context", data = data }
    local processed = ctx:invoke {
      id = "process",
      workflow = "process-with-context",
      data = { data = data.data, context = context },
    }
    return ctx:invoke {
      id = "finalize",
      workflow = "finalize",
      data = { processed = processed, context = context },
    }
  end,
}

return { passing_context, initialize_context, process_with_context, finalize }
