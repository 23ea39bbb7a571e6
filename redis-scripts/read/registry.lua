-- registry: which workflow is served by which bundle, and what it asks of its data.
-- args   none
-- reply  registry (workflow entry)…

function verbs.registry()
  local reply, entries = { "registry" }, redis.call("HGETALL", lib.key("registry"))
  for i = 1, #entries, 2 do
    -- Inside of a JSON text a quotation mark follows a backslash, so this is no part of a schema.
    if not string.find(entries[i + 1], '"closed":true', 1, true) then
      lib.push(reply, entries[i])
      lib.push(reply, entries[i + 1])
    end
  end
  return reply
end
