-- children: reads the children of a run from its journal, a page at a time, because a journal may be long.
-- args   run  cursor  count        count: fields looked at, roughly; a journal of 512 or less comes whole
-- reply  children cursor run…      cursor "0": that was the last page. A child may come twice, and a child whose invoke
--                                  was refused does not exist

-- Returns the later generations of children, by operation. A journal of one page contains them in that page. In a long
-- journal they may be on other pages, so they are read by name.
local function generations_of(id, operations, fields, whole)
  local generations = {}
  for i = 1, #fields, 2 do
    local operation = string.match(fields[i], "^c:(.*)$")
    if operation then generations[operation] = fields[i + 1] end
  end
  if whole or #operations == 0 then return generations end
  local names = {}
  for i, operation in ipairs(operations) do names[i] = "c:" .. operation end
  local found = redis.call("HMGET", lib.key("r:" .. id), unpack(names))
  for i, operation in ipairs(operations) do generations[operation] = found[i] or nil end
  return generations
end

function verbs.children()
  local id, cursor, count = lib.next_arg(), lib.next_arg(), lib.next_arg()
  local page = redis.call("HSCAN", lib.key("r:" .. id), cursor, "MATCH", "[oc]:*", "COUNT", count)
  local fields, operations = page[2], {}
  for i = 1, #fields, 2 do
    local operation = string.match(fields[i], "^o:(.*)$")
    local entry = operation and lib.resolve_value(id, fields[i], fields[i + 1]) or ""
    if string.find(entry, "^%d*\t%d+\tinvoke\t") then operations[#operations + 1] = operation end
  end
  local generations = generations_of(id, operations, fields, cursor == "0" and page[1] == "0")
  local reply = { "children", page[1] }
  for i, operation in ipairs(operations) do
    reply[2 + i] = id .. "/" .. operation .. (generations[operation] and "~" .. generations[operation] or "")
  end
  return reply
end
