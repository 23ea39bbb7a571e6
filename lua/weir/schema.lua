-- JSON Schema for the data of workflows: a schema is compiled once, when its file loads, to checks
-- that return nil for good data (and then allocate nothing) or every violation with its path.
-- A path is a JSON Pointer: "/items/3/name" counts from 0, "/" is the data itself.
-- Keywords that are not known are refused, as a constraint that silently does nothing is a trap.

local json = require "weir.json"
local nearest = require "weir.nearest"
local order = require "weir.order"

local schema = {}

---@class weir.Violation
---@field path string
---@field message string

---@alias weir.Check fun(value: any): weir.Violation[]? paths begin at `value`

-- Enough for any honest pattern on a payload's text; a backtracking one ends within milliseconds.
local MATCH_LIMIT = 100000

local NESTING = 64

-- Values

local function kind(value)
  local lua_type = type(value)
  if lua_type == "table" then
    if value == json.null then return "null" end
    return json.is_array(value) and "array" or "object"
  end
  return lua_type == "nil" and "null" or lua_type
end

local TYPES = {
  array = function(value) return kind(value) == "array" end,
  boolean = function(value) return type(value) == "boolean" end,
  integer = function(value) return math.type(value) and math.tointeger(value) ~= nil end,
  null = function(value) return value == nil or value == json.null end,
  number = function(value) return math.type(value) ~= nil end,
  object = function(value) return kind(value) == "object" end,
  string = function(value) return type(value) == "string" end,
}
local TYPE_NAMES = { "array", "boolean", "integer", "null", "number", "object", "string" }

-- As JSON values: 5 and 5.0 are one number.
local function equal(a, b)
  local shared = kind(a)
  if a == b or shared ~= kind(b) then return a == b end
  if shared == "null" then return true end
  if shared ~= "array" and shared ~= "object" then return false end
  for key, value in next, a do
    if not equal(value, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

local function shown(value)
  local text = json.try_encode(value) or tostring(value)
  if #text <= 60 then return text end
  return text:sub(1, (utf8.offset(text, 0, 58) or 58) - 1) .. "…"
end

local function shown_list(values)
  local texts = {}
  for i, value in ipairs(values) do texts[i] = shown(value) end
  return table.concat(texts, ", ")
end

local function counted(count, noun)
  return ("%d %s%s"):format(count, noun, count == 1 and "" or "s")
end

-- Violations

local function violation(message, path)
  return { { path = path or "", message = message } }
end

-- Adds what was found under `key` (nil: at the same place) to what was found so far.
local function joined(found, more, key)
  local prefix = key == nil and "" or "/" .. tostring(key):gsub("~", "~0"):gsub("/", "~1")
  found = found or {}
  for _, entry in ipairs(more) do
    found[#found + 1] = { path = prefix .. entry.path, message = entry.message }
  end
  return found
end

---@param checks weir.Check[]
---@return weir.Check
local function together(checks)
  if #checks == 1 then return checks[1] end
  return function(value)
    local found
    for i = 1, #checks do
      local more = checks[i](value)
      if more then found = joined(found, more) end
    end
    return found
  end
end

-- Compiling. Faults of the schema itself are raised as Faults, with their place in the schema.

local Fault = {}

local function refuse(place, message)
  error(setmetatable({ text = ("schema%s: %s"):format(place, message) }, Fault), 0)
end

local function check_list(value, place, noun)
  if type(value) ~= "table" or (next(value) ~= nil and not json.is_array(value)) then
    refuse(place, "must be a list of " .. noun)
  end
  return value
end

local function check_count(value, place)
  local count = math.type(value) and math.tointeger(value)
  if not count or count < 0 then refuse(place, "must be an integer from 0") end
  return count
end

local function check_number(value, place)
  if not math.type(value) or value ~= value then refuse(place, "must be a number") end
  return value
end

local compile_node

local function compile_list(list, place, noun, nesting)
  check_list(list, place, noun)
  if #list == 0 then refuse(place, "must be a list of " .. noun .. ", at least one") end
  local checks = {}
  for i, item in ipairs(list) do checks[i] = compile_node(item, place .. "/" .. i - 1, nesting) end
  return checks
end

-- A bound that holds for one kind of value only. `measure` gives the number that is compared; it is
-- nil where the keyword says nothing.
local function bound(read, measure, holds, message)
  return function(limit, place)
    limit = read(limit, place)
    return function(value)
      local size = measure(value)
      if size and not holds(size, limit) then return violation(message(limit, size)) end
    end
  end
end

local function at_least(size, limit) return size >= limit end
local function at_most(size, limit) return size <= limit end
local function above(size, limit) return size > limit end
local function below(size, limit) return size < limit end

local function number_of(value) return math.type(value) and value or nil end

local function number_bound(holds, words)
  return bound(check_number, number_of, holds, function(limit, value)
    return ("must be %s %s, is %s"):format(words, shown(limit), shown(value))
  end)
end

local function length_of(value)
  return type(value) == "string" and (utf8.len(value) or #value) or nil
end

local function size_of(value)
  return kind(value) == "array" and #value or nil
end

local function count_bound(measure, holds, words, noun)
  return bound(check_count, measure, holds, function(limit, size)
    return ("must have %s %s, has %d"):format(words, counted(limit, noun), size)
  end)
end

-- One compiler a keyword: (what it was given, its place, nesting, the schema around it) -> a check,
-- or nil where another keyword's check covers it.
local KEYWORDS = {
  minimum = number_bound(at_least, "at least"),
  maximum = number_bound(at_most, "at most"),
  exclusiveMinimum = number_bound(above, "more than"),
  exclusiveMaximum = number_bound(below, "less than"),
  minLength = count_bound(length_of, at_least, "at least", "character"),
  maxLength = count_bound(length_of, at_most, "at most", "character"),
  minItems = count_bound(size_of, at_least, "at least", "item"),
  maxItems = count_bound(size_of, at_most, "at most", "item"),
}

-- Compiled apart, before the others: of a value of the wrong type nothing else need be said.
local function compile_type(given, place)
  local names = type(given) == "string" and { given } or check_list(given, place, "type names")
  local tests = {}
  for i, name in ipairs(names) do
    tests[i] = TYPES[name]
    if not tests[i] then
      local meant = type(name) == "string" and nearest.find(name, TYPE_NAMES)
      refuse(place, ("%s is no type; %s"):format(shown(name), meant
        and ('did you mean "%s"?'):format(meant)
        or "there are " .. table.concat(TYPE_NAMES, ", ")))
    end
  end
  if #tests == 0 then refuse(place, "must name at least one type") end
  local expected = table.concat(names, " or ")
  local first, rest = tests[1], #tests > 1
  return function(value)
    if first(value) then return nil end
    if rest then
      for i = 2, #tests do
        if tests[i](value) then return nil end
      end
    end
    local is = TYPES.number(value) and shown(value) or kind(value)
    return violation(("must be %s, is %s"):format(expected, is))
  end
end

function KEYWORDS.required(given, place)
  check_list(given, place, "property names")
  for _, name in ipairs(given) do
    if type(name) ~= "string" then refuse(place, "must be a list of property names") end
  end
  return function(value)
    if kind(value) ~= "object" then return nil end
    local found
    for i = 1, #given do
      if value[given[i]] == nil then found = joined(found, violation("is required"), given[i]) end
    end
    return found
  end
end

function KEYWORDS.properties(given, place, nesting)
  if type(given) ~= "table" or json.is_array(given) then
    refuse(place, "must be a table of property names and their schemas")
  end
  local names, checks = {}, {}
  for name, inner in order.pairs(given) do
    if type(name) ~= "string" then refuse(place, "has a property name that is no text") end
    names[#names + 1] = name
    checks[#names] = compile_node(inner, place .. "/" .. name, nesting)
  end
  return function(value)
    if kind(value) ~= "object" then return nil end
    local found
    for i = 1, #names do
      local member = value[names[i]]
      local more = member ~= nil and checks[i](member)
      if more then found = joined(found, more, names[i]) end
    end
    return found
  end
end

function KEYWORDS.additionalProperties(given, place, nesting, around)
  local properties = type(around.properties) == "table" and around.properties or {}
  local names = {}
  for name in order.pairs(properties) do names[#names + 1] = name end
  local check = given ~= false and compile_node(given, place, nesting)

  local function refused(name)
    local meant = nearest.find(tostring(name), names)
    return violation("is not allowed" .. (meant and ('; did you mean "%s"?'):format(meant) or ""))
  end

  return function(value)
    if kind(value) ~= "object" then return nil end
    local extra
    for name, member in next, value do
      if properties[name] == nil and (not check or check(member)) then
        extra = extra or {}
        extra[tostring(name)] = member
      end
    end
    if not extra then return nil end
    local found
    for name, member in order.pairs(extra) do
      found = joined(found, check and check(member) or refused(name), name)
    end
    return found
  end
end

function KEYWORDS.items(given, place, nesting)
  if type(given) == "table" and json.is_array(given) then
    refuse(place, "must be one schema, which holds for every item")
  end
  local check = compile_node(given, place, nesting)
  return function(value)
    if kind(value) ~= "array" then return nil end
    local found
    for i = 1, #value do
      local more = check(value[i])
      if more then found = joined(found, more, i - 1) end
    end
    return found
  end
end

function KEYWORDS.enum(given, place)
  check_list(given, place, "values")
  local scalars, tables = {}, {}
  for _, allowed in ipairs(given) do
    if type(allowed) == "table" then
      tables[#tables + 1] = allowed
    elseif allowed == allowed then -- NaN is no JSON value
      scalars[allowed] = true
    end
  end
  local message = "must be one of " .. shown_list(given)
  return function(value)
    if value ~= nil and scalars[value] then return nil end
    for i = 1, #tables do
      if equal(tables[i], value) then return nil end
    end
    return violation(message .. ", is " .. shown(value))
  end
end

function KEYWORDS.const(given)
  local message = "must be " .. shown(given)
  return function(value)
    if not equal(given, value) then return violation(message .. ", is " .. shown(value)) end
  end
end

function KEYWORDS.pattern(given, place)
  if type(given) ~= "string" then refuse(place, "must be text") end
  local has_rex, rex = pcall(require, "rex_pcre2")
  if not has_rex then
    refuse(place, "needs the Lua module rex_pcre2: apt-get install lua-rex-pcre2")
  end
  local ok, expression = pcall(rex.new, ("(*LIMIT_MATCH=%d)(*UTF)"):format(MATCH_LIMIT) .. given)
  if not ok then
    expression = expression:gsub(" %(pattern offset: %d+%)$", "") -- it counts our prefix
    refuse(place, ("%s in %s"):format(expression, shown(given)))
  end
  local message = "must match " .. shown(given)
  return function(value)
    if type(value) ~= "string" then return nil end
    local within_limit, first = pcall(expression.find, expression, value)
    if not within_limit then
      return violation(("cannot be matched against %s: %s"):format(shown(given), first))
    end
    if not first then return violation(message .. ", is " .. shown(value)) end
  end
end

function KEYWORDS.allOf(given, place, nesting)
  return together(compile_list(given, place, "schemas", nesting))
end

-- What each schema of an anyOf said, in one line.
local function reasons(found_by_each)
  local texts = {}
  for i, found in ipairs(found_by_each) do
    local first = found[1]
    texts[i] = (first.path ~= "" and first.path .. " " or "") .. first.message
  end
  return table.concat(texts, "; or: ")
end

function KEYWORDS.anyOf(given, place, nesting)
  local checks = compile_list(given, place, "schemas", nesting)
  return function(value)
    local all_found
    for i = 1, #checks do
      local found = checks[i](value)
      if not found then return nil end
      all_found = all_found or {}
      all_found[i] = found
    end
    return violation("matches nothing of anyOf: " .. reasons(all_found))
  end
end

function KEYWORDS.oneOf(given, place, nesting)
  local checks = compile_list(given, place, "schemas", nesting)
  return function(value)
    local all_found, matches = nil, 0
    for i = 1, #checks do
      local found = checks[i](value)
      if found then
        all_found = all_found or {}
        all_found[#all_found + 1] = found
      else
        matches = matches + 1
      end
    end
    if matches == 1 then return nil end
    if matches == 0 then return violation("matches nothing of oneOf: " .. reasons(all_found)) end
    return violation(("matches %d schemas of oneOf, must match one"):format(matches))
  end
end

local IGNORED = {
  ["$comment"] = true, ["$id"] = true, ["$schema"] = true, default = true, deprecated = true,
  description = true, examples = true, format = true, readOnly = true, title = true,
  writeOnly = true,
}

local KEYWORD_NAMES = { "type" }
for name in order.pairs(KEYWORDS) do KEYWORD_NAMES[#KEYWORD_NAMES + 1] = name end

local function anything() return nil end
local function nothing() return violation("is not allowed") end

---@return weir.Check
function compile_node(node, place, nesting)
  if node == true then return anything end
  if node == false then return nothing end
  if type(node) ~= "table" or node == json.null or json.is_array(node) then
    refuse(place, "must be a table of keywords, true or false")
  end
  if nesting >= NESTING then
    refuse("", ("is nested deeper than %d levels, or holds itself"):format(NESTING))
  end
  local checks = {}
  for name, given in order.pairs(node) do
    local compile = KEYWORDS[name]
    if compile then
      checks[#checks + 1] = compile(given, place .. "/" .. name, nesting + 1, node)
    elseif name ~= "type" and not IGNORED[name] then
      local meant = nearest.find(tostring(name), KEYWORD_NAMES)
      refuse(place, ('unknown keyword "%s"; %s'):format(tostring(name), meant
        and ('did you mean "%s"?'):format(meant)
        or "there are " .. table.concat(KEYWORD_NAMES, ", ")))
    end
  end
  local others = #checks > 0 and together(checks)
  local of_type = node.type ~= nil and compile_type(node.type, place .. "/type")
  if not of_type then return others or anything end
  if not others then return of_type end
  return function(value) return of_type(value) or others(value) end
end

---Compiles a JSON Schema.
---@param definition table|boolean
---@return (fun(data: any): weir.Violation[]?)? validate
---@return string? message why it is no schema
function schema.compile(definition)
  local ok, check = pcall(compile_node, definition, "", 0)
  if not ok then
    if getmetatable(check) == Fault then return nil, check.text end
    error(check, 0)
  end
  return function(data)
    local found = check(data)
    if not found then return nil end
    for _, entry in ipairs(found) do
      if entry.path == "" then entry.path = "/" end
    end
    return found
  end
end

return schema
