-- ctx:poll: ask another service again and again until it is done.
--
--   weir run export --dir workflows --data '{"ready_after":3,"every":"10ms"}'
local weir = require "weir"

-- A service would count for itself; this one knows from the state how often it was asked.
local function ask_service(job, ready_after)
  local asked = job.asked + 1
  return { asked = asked, file = asked >= ready_after and "export-7.csv" or nil }
end

-- Each call of `run` is a step: ordinary Lua, made again after an error as `retry` says. It gets the state that the
-- call before it returned. Redis keeps only the last state, however often the service is asked.
local export = weir.workflow {
  id = "export",
  run = function(ctx, data)
    local job = ctx:poll {
      id = "job",
      initial = { asked = 0 },
      every = data.every or function(attempt) return math.min(2 ^ attempt, 600) end, -- 2 s, 4 s … up to 10 minutes
      timeout = "1d",
      run = function(job)
        job = ask_service(job, data.ready_after)
        return job.file ~= nil, job
      end,
    }
    return job
  end,
}

return { export }
