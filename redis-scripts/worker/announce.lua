-- announce: a host brings the sources of a folder and says which workflows they serve.
-- args   bundle  n  (path source)×n  m  (workflow entry)×m     entry: of the registry, see README.md
-- keeps  with the host that asks, that this is one of its bundles
-- moves  nothing; runs started with --any before their workflow was known go to their queue, the first at once,
--        the others with each heartbeat
-- reply  announced bundle

function verbs.announce()
  local bundle, sources = lib.next_arg(), {}
  for i = 1, 2 * tonumber(lib.next_arg()) do sources[i] = lib.next_arg() end

  local host = string.match(lib.worker, "^(%d+)%.")
  local about = host and redis.call("HMGET", lib.key("host:" .. host), "node", "bundles")
  if about and about[1] then
    lib.write("HSET", "host:" .. host, "bundles", about[2] and about[2] .. " " .. bundle or bundle)
  end
  lib.write("DEL", "bundle:" .. bundle) -- also deletes fields that another client may have put there
  for i = 1, #sources, 2 do lib.write("HSET", "bundle:" .. bundle, sources[i], sources[i + 1]) end
  for _ = 1, tonumber(lib.next_arg()) do
    local workflow, entry = lib.next_args(2)
    lib.registry.put(workflow, entry)
    lib.recovery.route_unknown(workflow)
  end
  return { "announced", bundle }
end
