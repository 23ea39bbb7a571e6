-- announce: a host brings the sources of a folder and says which workflows they serve.
-- args   n  (path source)×n  m  (workflow queue priority timeout_ms|"" retain_ms schema|"")×m
-- moves  nothing; runs started with --any before their workflow was known go to their queue
-- reply  announced bundle

local ADOPTED = 1000

local function adopt(workflow)
  local unknown = "ready:?" .. workflow
  for _, id in ipairs(redis.call("ZRANGE", lib.key(unknown), 0, ADOPTED - 1)) do
    local run = lib.load(id)
    lib.write("ZREM", unknown, id)
    if run and run.state == "ready" then lib.push(lib.plan.woken, run) end
  end
end

function verbs.announce()
  local sources = {}
  for i = 1, 2 * tonumber(lib.take()) do sources[i] = lib.take() end
  local measured = {}
  for i, text in ipairs(sources) do measured[i] = #text .. ":" .. text end
  local bundle = string.sub(redis.sha1hex(table.concat(measured)), 1, 16)

  for i = 1, #sources, 2 do lib.write("HSET", "bundle:" .. bundle, sources[i], sources[i + 1]) end
  for _ = 1, tonumber(lib.take()) do
    local workflow, queue, priority = lib.take(), lib.take(), lib.take()
    local timeout, retain, schema = lib.take(), lib.take(), lib.take()
    lib.register(workflow, table.concat({ bundle, queue, priority, timeout, retain, schema }, "\t"))
    adopt(workflow)
  end
  return { "announced", bundle }
end
