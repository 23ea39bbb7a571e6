-- Says which modules of weir may require which: each folder only itself and folders below it. Requires inside of
-- functions count as well. The table in lua/weir/README.md is held to BELOW by tests/e2e/readme_spec.lua.

-- Folder -> folders that it may require, besides itself and what those may.
local BELOW = {
  base = {}, define = { "base" }, record = { "define" }, reset = { "record" }, replay = { "reset" },
  code = { "replay" }, engine = { "code" }, memory = { "engine" },
  view = { "record" }, client = { "view", "reset" }, preflight = { "client", "engine" }, transport = {},
  cli = { "client", "code", "preflight", "transport" }, testing = { "memory", "view" },
}

-- Modules outside of the folders: who may require them, and what they may.
local PUBLIC = { -- of an author's files
  ["weir.json"] = { users = "all", uses = {} },
  ["weir"] = { users = { code = true, testing = true }, uses = { "base", "define" } },
  ["weir.testing"] = { users = {}, uses = { "testing" } },
}

local function files()
  local list = {}
  local listing <close> = assert(io.popen("find lua/weir -name '*.lua'"))
  for path in listing:lines() do list[#list + 1] = path end
  table.sort(list)
  return list
end

local function module_of(path) return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")) end

-- The folder of a module, or the module itself where it stands in none.
local function place_of(module)
  if module:find "^weir%.native%." then return "native" end
  local folder = module:match "^weir%.([^.]+)%." or module:match "^weir%.([^.]+)$"
  return BELOW[folder] and not PUBLIC[module] and folder or module
end

local WRITES = { ["lua/weir/cli/starter_files.lua"] = true } -- its requires are in texts that it writes

local function requires_of(path)
  local list = {}
  if WRITES[path] then return list end
  for line in io.lines(path) do
    local code = line:gsub("^%s*%-%-.*", "")
    for module in code:gmatch "require[%s(]*[\"'](weir[%w_.]*)[\"']" do list[#list + 1] = module end
  end
  return list
end

local function may_use(from, to)
  if from == to then return true end
  for _, below in ipairs(BELOW[from]) do
    if may_use(below, to) then return true end
  end
  return false
end

-- Whether a module in `from` may require `module`.
local function is_allowed(from, module)
  local to = place_of(module)
  if to == "native" then return true end -- of C, or only annotations
  local public = PUBLIC[to]
  if public then return public.users == "all" or public.users[from] == true end
  if not PUBLIC[from] then return may_use(from, to) end
  for _, folder in ipairs(PUBLIC[from].uses) do
    if may_use(folder, to) then return true end
  end
  return false
end

describe("the modules of weir", function()
  it("require only what is below them", function()
    local faults = {}
    for _, path in ipairs(files()) do
      local from = place_of(module_of(path))
      if from ~= "native" and from ~= "weir.types" then
        for _, module in ipairs(requires_of(path)) do
          if not is_allowed(from, module) then faults[#faults + 1] = path .. " -> " .. module end
        end
      end
    end
    assert.same({}, faults)
  end)

  it("require each other in no circle", function()
    local graph, state, faults = {}, {}, {}
    for _, path in ipairs(files()) do graph[module_of(path)] = requires_of(path) end
    local function visit(module, way)
      if state[module] == "done" or not graph[module] then return end
      way = way .. " -> " .. module
      if state[module] then
        faults[#faults + 1] = way
        return
      end
      state[module] = "on the way"
      for _, required in ipairs(graph[module]) do visit(required, way) end
      state[module] = "done"
    end
    for module in pairs(graph) do visit(module, "") end
    assert.same({}, faults)
  end)

  -- The sandbox hands them out under these names, and the host runs them before there is a `require`.
  it("that stand alone require nothing", function()
    for _, name in ipairs { "duration", "suggest" } do
      assert.same({}, requires_of(("lua/weir/base/%s.lua"):format(name)))
    end
  end)

  it("that authors load bring no engine along", function()
    local script = [[require "weir"; for name in pairs(package.loaded) do
      if name:find "^weir%.%l+%." then print(name) end end]]
    local pipe <close> = assert(io.popen(
      ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH= lua5.4 -e '%s'"):format(script)))
    for name in pipe:lines() do assert.is_truthy(name:find "^weir%.base%." or name:find "^weir%.define%.", name) end
  end)
end)
