-- Several workflows in sequence, each one's result handed to the next.
--
--   weir run orchestrate-workflow --dir workflows --data '{"user_id":"u1"}'
local weir = require "weir"
local users = require "shared.users"

local fetch_user = weir.workflow {
  id = "fetch-user",
  run = function(_, data)
    return users.find(data.user_id)
  end,
}

local enrich_user_data = weir.workflow {
  id = "enrich-user-data",
  run = function(_, user)
    local initials = user.name:gsub("(%a)%a*%s*", "%1")
    return { user_id = user.user_id, name = user.name, initials = initials }
  end,
}

local generate_report = weir.workflow {
  id = "generate-report",
  run = function(_, user)
    return { title = ("Report on %s (%s)"):format(user.name, user.initials) }
  end,
}

local orchestrate_workflow = weir.workflow {
  id = "orchestrate-workflow",
  run = function(ctx, data)
    local user = ctx:invoke {
      id = "fetch_user",
      workflow = "fetch-user",
      data = { user_id = data.user_id },
    }
    local enriched = ctx:invoke { id = "enrich_user", workflow = "enrich-user-data", data = user }
    return ctx:invoke { id = "generate_report", workflow = "generate-report", data = enriched }
  end,
}

return { orchestrate_workflow, fetch_user, enrich_user_data, generate_report }
