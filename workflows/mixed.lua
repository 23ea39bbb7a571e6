-- Plain functions and durable workflows, invoked alike: any function of data to a result is one.
--
--   weir run onboard-user --dir workflows --data '{"user_id":"u2"}'
local weir = require "weir"
local users = require "shared.users"

-- A plain function as a workflow: it gets the data and never sees ctx.
local function plain(id, fn)
  return weir.workflow {
    id = id,
    run = function(_, data)
      return fn(data)
    end,
  }
end

local fetch_user_data = plain("fetch-user-data", function(data)
  return users.find(data.user_id)
end)

local send_notification = plain("send-notification", function(message)
  return { sent = true, text = ("Welcome, %s!"):format(message.data.login) }
end)

-- A durable workflow: what its steps returned survives the death of the process.
local process_user = weir.workflow {
  id = "process-user-workflow",
  run = function(ctx, user)
    local login = ctx:step("choose-login", function()
      return (user.name:lower():gsub("%s+", "."))
    end)
    return { user_id = user.user_id, login = login }
  end,
}

local onboard_user = weir.workflow {
  id = "onboard-user",
  run = function(ctx, data)
    local user = ctx:invoke {
      id = "fetch_user",
      workflow = "fetch-user-data",
      data = { user_id = data.user_id },
    }
    local processed = ctx:invoke {
      id = "process_user",
      workflow = "process-user-workflow",
      data = user,
    }
    local notification = ctx:invoke {
      id = "send_notification",
      workflow = "send-notification",
      data = { user_id = data.user_id, data = processed },
    }
    return { status = "completed", notification_sent = notification.sent }
  end,
}

return { onboard_user, fetch_user_data, process_user, send_notification }
