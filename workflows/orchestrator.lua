-- An orchestrator of three children in turn, and one that gives its child only so much time.
--
--   weir run orchestrator --dir workflows --data '{"email":" Ada@Example.com "}'
local weir = require "weir"

local validate = weir.workflow {
  id = "validate",
  run = function(_, data)
    local email = data.email:match("^%s*(%S+@%S+)%s*$")
    if not email then
      error(weir.fatal(("%q is no e-mail address"):format(data.email)))
    end
    return { validated_data = { email = email } }
  end,
}

local process = weir.workflow {
  id = "process",
  run = function(_, input)
    return { processed_data = { email = input.data.email:lower() } }
  end,
}

local notify = weir.workflow {
  id = "notify",
  run = function(_, input)
    return { sent_to = input.result.email }
  end,
}

local orchestrator = weir.workflow {
  id = "orchestrator",
  run = function(ctx, data)
    local step1 = ctx:invoke { id = "step-1", workflow = "validate", data = data }
    local step2 = ctx:invoke {
      id = "step-2",
      workflow = "process",
      data = { data = step1.validated_data },
    }
    ctx:invoke { id = "step-3", workflow = "notify", data = { result = step2.processed_data } }
    return { success = true }
  end,
}

local external_api_call = weir.workflow {
  id = "external-api-call",
  run = function(ctx, data)
    ctx:sleep(data.latency)
    return { url = data.url, status = 200 }
  end,
}

-- Nothing is caught here: if the child takes longer, it is cancelled and this run fails with the
-- code "timeout".
local with_timeout = weir.workflow {
  id = "orchestrator-with-timeout",
  run = function(ctx, data)
    return ctx:invoke {
      id = "fetch-data",
      workflow = "external-api-call",
      data = { url = "https://api.example.com", latency = data.latency },
      timeout = data.patience or "30s",
    }
  end,
}

return { orchestrator, validate, process, notify, with_timeout, external_api_call }
