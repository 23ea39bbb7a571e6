-- side_by_side(n, following): runs jobs as coroutines, n at a time. While one of them waits for a
-- fact (support.wait_until), the others go on. An error of a job is raised once all have ended.

local system = require "system"

---@param at_once integer
---@param following fun(): fun()? the next job, nil when there is none
return function(at_once, following)
  local sleep = system.sleep
  local running, fault = {}, nil

  local function resume(job)
    system.sleep = coroutine.yield
    local ok, raised = coroutine.resume(job)
    system.sleep = sleep
    if not ok then fault = fault or raised end
    return coroutine.status(job) ~= "dead"
  end

  while true do
    while #running < at_once and not fault do
      local job = following()
      if not job then break end
      running[#running + 1] = coroutine.create(job)
    end
    if #running == 0 then break end
    for i = #running, 1, -1 do
      if not resume(running[i]) then table.remove(running, i) end
    end
    sleep(0.0005)
  end
  if fault then error(fault, 0) end
end
