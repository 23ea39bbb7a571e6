-- JSON Schema for the data of workflows. A schema is compiled once, when its file loads, to a check that returns nil
-- for valid data, and otherwise the violations with their paths. A check of valid data allocates nothing. A path is a
-- JSON Pointer: "/items/3/name" counts from 0, "/" is the data itself. Unknown keywords are refused, because a
-- misspelled keyword would otherwise be ignored.
--
-- Data comes from outside, so a check takes time linear in the data. A first pass counts the violations; if there are
-- any, a second pass describes the first ten.

local json = require "weir.json"
local suggest = require "weir.base.suggest"
local ordered_pairs = require "weir.base.ordered_pairs"
local strings = require "weir.base.strings"

local schema = {}

---@class weir.Violation
---@field path string
---@field message string

---@class weir.Report the violations that a check describes
---@field list weir.Violation[]
---@field most integer the number that it holds at most
---@field path (string|integer)[] keys that lead to the value that is being checked
---@field depth integer the number of these keys
---@field meant integer the number of names for which a suggestion was searched

---@alias weir.Check fun(value: any, report: weir.Report?): integer the number of violations, which go into the report

-- Steps of one search for a pattern, over all positions at which a match may begin: some 20 ms.
local MATCH_LIMIT = 1000000

local GREEDY_BYTES = 4096 -- of a text that is searched for a pattern which gives nothing back

local NESTING = 64

local MOST = 10 -- violations that are described
local MOST_MEANT = 3 -- of them that say which name was meant
local SHOWN_BYTES = 60 -- of a value
local PATH_BYTES = 256

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

-- Compares as JSON values: 5 and 5.0 are one number.
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

local LEFT_OUT = { ["…"] = "…" }

-- Copies no more of a value than its text has room for: `room.left` is the number of parts that may still follow.
local function beginning(value, room)
  if type(value) == "string" then return strings.first(value, SHOWN_BYTES + 1) end
  if type(value) ~= "table" or value == json.null then return value end
  if json.is_array(value) then
    local copy = json.array {}
    for i = 1, math.min(#value, room.left) do
      room.left = room.left - 1
      copy[i] = beginning(value[i], room)
    end
    return copy
  end
  local copy, count = {}, 0
  for _ in next, value do
    count = count + 1
    if count > SHOWN_BYTES then return LEFT_OUT end -- to show the first ones, all would have to be sorted
  end
  for key, member in ordered_pairs.pairs(value) do
    if room.left < 1 then break end
    room.left = room.left - 1
    copy[type(key) == "string" and strings.first(key, SHOWN_BYTES + 1) or key] = beginning(member, room)
  end
  return copy
end

local function shown(value)
  local text = json.try_encode(beginning(value, { left = SHOWN_BYTES })) or tostring(value)
  text = text:gsub('{"…":"…"}', "{…}")
  if #text <= SHOWN_BYTES then return text end
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

local FULL = {} -- raised when a report holds as many as it may

local function new_report(most)
  return { list = {}, most = most, path = {}, depth = 0, meant = 0 }
end

local function path_of(report)
  local text = ""
  for i = 1, report.depth do
    local key = strings.short(tostring(report.path[i]), PATH_BYTES)
    text = text .. "/" .. key:gsub("~", "~0"):gsub("/", "~1")
    if #text > PATH_BYTES then return strings.short(text, PATH_BYTES) end
  end
  return text
end

-- Adds one violation and counts it.
local function add(report, format, ...)
  local list = report.list
  list[#list + 1] = { path = path_of(report), message = format:format(...) }
  if #list == report.most then error(FULL, 0) end
  return 1
end

-- Checks the value under a key.
local function under(key, check, value, report)
  if not report then return check(value) end
  local depth = report.depth + 1
  report.depth, report.path[depth] = depth, key
  local count = check(value, report)
  report.depth = depth - 1
  return count
end

-- The first violations of an invalid value.
local function describe(check, value, most)
  local report = new_report(most)
  local ok, raised = pcall(check, value, report)
  if not ok and raised ~= FULL then error(raised, 0) end
  return report.list
end

---@param checks weir.Check[]
---@return weir.Check
local function together(checks)
  if #checks == 1 then return checks[1] end
  return function(value, report)
    local count = 0
    for i = 1, #checks do count = count + checks[i](value, report) end
    return count
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

-- A bound on one kind of value. `measure` returns the number that is compared; nil if the keyword does not apply to the
-- value.
local function bound(read, measure, holds, message)
  return function(limit, place)
    limit = read(limit, place)
    return function(value, report)
      local size = measure(value)
      if not size or holds(size, limit) then return 0 end
      return report and add(report, "%s", message(limit, size)) or 1
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

-- A compiler for each keyword: (its value, its place, the nesting, the schema around it) -> a check, or nil if the
-- check of another keyword covers it.
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

-- Compiled first and apart: a value of the wrong type gets no other violation.
local function compile_type(constraint, place)
  local names = type(constraint) == "string" and { constraint } or check_list(constraint, place, "type names")
  local tests = {}
  for i, name in ipairs(names) do
    tests[i] = TYPES[name]
    if not tests[i] then
      local meant = type(name) == "string" and suggest.find(name, TYPE_NAMES)
      refuse(place, ("%s is no type; %s"):format(shown(name), meant
        and ('did you mean "%s"?'):format(meant)
        or "there are " .. table.concat(TYPE_NAMES, ", ")))
    end
  end
  if #tests == 0 then refuse(place, "must name at least one type") end
  local expected = table.concat(names, " or ")
  local first, rest = tests[1], #tests > 1
  return function(value, report)
    if first(value) then return 0 end
    if rest then
      for i = 2, #tests do
        if tests[i](value) then return 0 end
      end
    end
    if not report then return 1 end
    return add(report, "must be %s, is %s", expected, TYPES.number(value) and shown(value) or kind(value))
  end
end

function KEYWORDS.required(constraint, place)
  check_list(constraint, place, "property names")
  for _, name in ipairs(constraint) do
    if type(name) ~= "string" then refuse(place, "must be a list of property names") end
  end
  local function is_required(_, report) return report and add(report, "is required") or 1 end
  return function(value, report)
    if kind(value) ~= "object" then return 0 end
    local count = 0
    for i = 1, #constraint do
      if value[constraint[i]] == nil then count = count + under(constraint[i], is_required, nil, report) end
    end
    return count
  end
end

function KEYWORDS.properties(constraint, place, nesting)
  if type(constraint) ~= "table" or json.is_array(constraint) then
    refuse(place, "must be a table of property names and their schemas")
  end
  local names, checks = {}, {}
  for name, inner in ordered_pairs.pairs(constraint) do
    if type(name) ~= "string" then refuse(place, "has a property name that is no text") end
    names[#names + 1] = name
    checks[#names] = compile_node(inner, place .. "/" .. name, nesting)
  end
  return function(value, report)
    if kind(value) ~= "object" then return 0 end
    local count = 0
    for i = 1, #names do
      local member = value[names[i]]
      if member ~= nil then count = count + under(names[i], checks[i], member, report) end
    end
    return count
  end
end

-- Inserts a name into the sorted list of the first `most` names.
local function keep_least(list, name, most)
  local at = #list + 1
  while at > 1 and name < list[at - 1] do at = at - 1 end
  if at > most then return end
  table.insert(list, at, name)
  list[most + 1] = nil
end

function KEYWORDS.additionalProperties(constraint, place, nesting, around)
  local properties = type(around.properties) == "table" and around.properties or {}
  local names = {}
  for name in ordered_pairs.pairs(properties) do names[#names + 1] = name end
  local check = constraint ~= false and compile_node(constraint, place, nesting)

  local function is_refused(name, report)
    local meant
    if #names > 0 and report.meant < MOST_MEANT then
      report.meant = report.meant + 1
      meant = suggest.find(tostring(name), names)
    end
    return add(report, "is not allowed%s", meant and ('; did you mean "%s"?'):format(meant) or "")
  end

  -- The violations are described in the order of the names; only the first names are kept.
  local function describe_extra(value, report)
    local extra, last = {}, nil -- the greatest of those that are kept, once there are enough
    for name, member in next, value do
      if not (last and name > last) and properties[name] == nil and (not check or check(member) > 0) then
        keep_least(extra, name, report.most)
        last = extra[report.most]
      end
    end
    local count = 0
    for _, name in ipairs(extra) do
      count = count + under(name, check or is_refused, check and value[name] or name, report)
    end
    return count
  end

  return function(value, report)
    if kind(value) ~= "object" then return 0 end
    local count = 0
    for name, member in next, value do
      if properties[name] == nil then count = count + (check and check(member) or 1) end
    end
    return report and count > 0 and describe_extra(value, report) or count
  end
end

function KEYWORDS.items(constraint, place, nesting)
  if type(constraint) == "table" and json.is_array(constraint) then
    refuse(place, "must be one schema, which holds for every item")
  end
  local check = compile_node(constraint, place, nesting)
  return function(value, report)
    if kind(value) ~= "array" then return 0 end
    local count = 0
    for i = 1, #value do count = count + under(i - 1, check, value[i], report) end
    return count
  end
end

function KEYWORDS.enum(constraint, place)
  check_list(constraint, place, "values")
  local scalars, tables = {}, {}
  for _, allowed in ipairs(constraint) do
    if type(allowed) == "table" then
      tables[#tables + 1] = allowed
    elseif allowed == allowed then -- NaN is no JSON value
      scalars[allowed] = true
    end
  end
  local message = "must be one of " .. shown_list(constraint)
  return function(value, report)
    if value ~= nil and scalars[value] then return 0 end
    for i = 1, #tables do
      if equal(tables[i], value) then return 0 end
    end
    return report and add(report, "%s, is %s", message, shown(value)) or 1
  end
end

function KEYWORDS.const(constraint)
  local message = "must be " .. shown(constraint)
  return function(value, report)
    if equal(constraint, value) then return 0 end
    return report and add(report, "%s, is %s", message, shown(value)) or 1
  end
end

-- Wraps a pattern so that the limit holds for the whole search: PCRE2 counts anew at each position at which a match may
-- begin, so the wrapped pattern itself moves from position to position. Backtracking of its repetition counts as well.
local function limited(rex, pattern)
  local verbs, rest = "", pattern
  while rest:find "^%(%*[%u%d_=]+%)" do
    local verb = rest:match "^%(%*[%u%d_=]+%)"
    verbs, rest = verbs .. verb, rest:sub(#verb + 1)
  end
  local before = ("(*LIMIT_MATCH=%d)(*NO_AUTO_POSSESS)(*UTF)%s"):format(MATCH_LIMIT, verbs)
  for _, ending in ipairs { ")", "\n)", "\\E)" } do -- a comment or a \Q may be open where the pattern ends
    local ok, expression = pcall(rex.new, before .. "\\A(?s:.*?)(?:" .. rest .. ending)
    if ok then return expression end
  end
  return rex.new(before .. rest)
end

function KEYWORDS.pattern(constraint, place)
  if type(constraint) ~= "string" then refuse(place, "must be text") end
  local has_rex, rex = pcall(require, "rex_pcre2")
  if not has_rex then
    refuse(place, "needs the Lua module rex_pcre2: apt-get install lua-rex-pcre2")
  end
  local ok, expression = pcall(rex.new, "(*UTF)" .. constraint)
  if not ok then
    expression = expression:gsub(" %(pattern offset: %d+%)$", "") -- it counts our prefix
    refuse(place, ("%s in %s"):format(expression, shown(constraint)))
  end
  expression = limited(rex, constraint)
  local message = "must match " .. shown(constraint)
  local most = (constraint:find "[+*?}]%+" or constraint:find("(?>", 1, true)) and GREEDY_BYTES or math.maxinteger

  local function find(value)
    if #value > most then return false, ("it has more than %d bytes"):format(most) end
    return pcall(expression.find, expression, value)
  end

  return function(value, report)
    if type(value) ~= "string" then return 0 end
    local is_searched, first = find(value)
    if is_searched and first then return 0 end
    if not report then return 1 end
    if is_searched then return add(report, "%s, is %s", message, shown(value)) end
    return add(report, "cannot be matched against %s: %s", shown(constraint), first)
  end
end

function KEYWORDS.allOf(constraint, place, nesting)
  return together(compile_list(constraint, place, "schemas", nesting))
end

-- Joins, in one line, the first fault that each schema of an anyOf reports.
local function reasons(checks, value)
  local texts = {}
  for _, check in ipairs(checks) do
    local first = describe(check, value, 1)[1]
    texts[#texts + 1] = (first.path ~= "" and first.path .. " " or "") .. first.message
  end
  return table.concat(texts, "; or: ")
end

function KEYWORDS.anyOf(constraint, place, nesting)
  local checks = compile_list(constraint, place, "schemas", nesting)
  return function(value, report)
    for i = 1, #checks do
      if checks[i](value) == 0 then return 0 end
    end
    return report and add(report, "matches nothing of anyOf: %s", reasons(checks, value)) or 1
  end
end

function KEYWORDS.oneOf(constraint, place, nesting)
  local checks = compile_list(constraint, place, "schemas", nesting)
  return function(value, report)
    local matches = 0
    for i = 1, #checks do
      if checks[i](value) == 0 then matches = matches + 1 end
    end
    if matches == 1 then return 0 end
    if not report then return 1 end
    if matches == 0 then return add(report, "matches nothing of oneOf: %s", reasons(checks, value)) end
    return add(report, "matches %d schemas of oneOf, must match one", matches)
  end
end

local IGNORED = {
  ["$comment"] = true, ["$id"] = true, ["$schema"] = true, default = true, deprecated = true,
  description = true, examples = true, format = true, readOnly = true, title = true,
  writeOnly = true,
}

local KEYWORD_NAMES = { "type" }
for name in ordered_pairs.pairs(KEYWORDS) do KEYWORD_NAMES[#KEYWORD_NAMES + 1] = name end

local function anything() return 0 end
local function nothing(_, report) return report and add(report, "is not allowed") or 1 end

-- Runs the second check only if the first one finds nothing: a value of the wrong type gets no other violation, and no
-- pattern is tried on text that is too long.
local function in_turn(first, second)
  if not first or not second then return first or second end
  return function(value, report)
    local count = first(value, report)
    return count > 0 and count or second(value, report)
  end
end

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
  local checks, pattern = {}, nil
  for name, constraint in ordered_pairs.pairs(node) do
    local compile = KEYWORDS[name]
    if name == "pattern" then
      pattern = compile(constraint, place .. "/pattern")
    elseif compile then
      checks[#checks + 1] = compile(constraint, place .. "/" .. name, nesting + 1, node)
    elseif name ~= "type" and not IGNORED[name] then
      local meant = suggest.find(tostring(name), KEYWORD_NAMES)
      refuse(place, ('unknown keyword "%s"; %s'):format(tostring(name), meant
        and ('did you mean "%s"?'):format(meant)
        or "there are " .. table.concat(KEYWORD_NAMES, ", ")))
    end
  end
  local others = #checks > 0 and together(checks)
  local of_type = node.type ~= nil and compile_type(node.type, place .. "/type")
  return in_turn(of_type, in_turn(others, pattern)) or anything
end

---Compiles a JSON Schema.
---@param definition table|boolean
---@return (fun(data: any): weir.Violation[]?)? validate returns the first ten violations; if there are more, an
---eleventh without a path says how many
---@return string? message why the schema is invalid
function schema.compile(definition)
  local ok, check = pcall(compile_node, definition, "", 0)
  if not ok then
    if getmetatable(check) == Fault then return nil, check.text end
    error(check, 0)
  end
  return function(data)
    local count = check(data)
    if count == 0 then return nil end
    local found = describe(check, data, MOST)
    for _, entry in ipairs(found) do
      if entry.path == "" then entry.path = "/" end
    end
    if count > #found then
      found[#found + 1] = { path = "", message = ("and %d more"):format(count - #found) }
    end
    return found
  end
end

return schema
