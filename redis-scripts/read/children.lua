-- children: the runs that a run has begun, as its journal names them, a page at a time: a journal may be long.
-- args   run  cursor  count        count: fields looked at, roughly; a journal of 512 or less comes whole
-- reply  children cursor run…      cursor "0": that was all. A run may come twice, and one that was refused is none

-- Generations of children past their first, by operation. A small journal has them in its one page, and looking for
-- fields is dear there; in a large one they are anywhere, and looking is cheap.
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
  local id, cursor, count = lib.take(), lib.take(), lib.take()
  local page = redis.call("HSCAN", lib.key("r:" .. id), cursor, "MATCH", "[oc]:*", "COUNT", count)
  local fields, operations = page[2], {}
  for i = 1, #fields, 2 do
    local operation, entry = string.match(fields[i], "^o:(.*)$"), fields[i + 1]
    if operation and entry == lib.ELSEWHERE then entry = redis.call("HGET", lib.key("v:" .. id), fields[i]) or "" end
    if operation and string.find(entry, "^%d*\t%d+\tinvoke\t") then operations[#operations + 1] = operation end
  end
  local generations = generations_of(id, operations, fields, cursor == "0" and page[1] == "0")
  local reply = { "children", page[1] }
  for i, operation in ipairs(operations) do
    reply[2 + i] = id .. "/" .. operation .. (generations[operation] and "~" .. generations[operation] or "")
  end
  return reply
end
