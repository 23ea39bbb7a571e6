-- ctx:any: the first that succeeds. future:cancel: end a child that is not needed any more.
--
--   weir run download --dir workflows --data '{"mirrors":[
--     {"name":"broken","fails":true},{"name":"near","takes":"20ms"},{"name":"far","takes":"1h"}]}'
local weir = require "weir"

local fetch = weir.workflow {
  id = "fetch-from",
  run = function(ctx, mirror)
    ctx:sleep(mirror.takes or "1ms")
    if mirror.fails then error(weir.fatal(mirror.name .. " does not answer")) end
    return "the file, from " .. mirror.name
  end,
}

-- race would take the first to end, also a failure. any takes the first result, and cancels the others. If none
-- succeeds, it raises all_failed, whose details have every failure.
local download = weir.workflow {
  id = "download",
  run = function(ctx, data)
    local futures = {}
    for _, mirror in ipairs(data.mirrors) do
      futures[mirror.name] = ctx:spawn { id = mirror.name, workflow = "fetch-from", data = mirror }
    end
    local file, name = ctx:any(futures)
    return { file = file, mirror = name }
  end,
}

-- The reserve is started at the same time, and ended when the first mirror has been fast enough.
local download_hedged = weir.workflow {
  id = "download-hedged",
  run = function(ctx, data)
    local reserve = ctx:spawn { id = "reserve", workflow = "fetch-from", data = data.reserve }
    local first = ctx:spawn { id = "first", workflow = "fetch-from", data = data.first, timeout = "1s" }
    local ok, file = pcall(first.await, first)
    if not ok then return reserve:await() end
    reserve:cancel()
    return file
  end,
}

return { download, download_hedged, fetch }
