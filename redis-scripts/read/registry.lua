-- registry: which workflow is served by which bundle, and what it asks of its data.
-- args   none
-- reply  registry (workflow entry)…

function verbs.registry()
  local entries = redis.call("HGETALL", lib.key("registry"))
  table.insert(entries, 1, "registry")
  return entries
end
