-- Whether each module, script and C file has a spec of its own name, so that a reader finds it and a new one gets one.

local elsewhere = require "spec.support.tested_elsewhere"

-- Where the spec of a source file stands; nil for files without code of their own.
local function spec_of(path)
  if path:find "^lua/weir/native/" or path == "lua/weir/types.lua" then return nil end
  local module = path:match "^lua/weir/(.*)%.lua$"
  if module then return ("spec/%s_spec.lua"):format(module) end
  local script = path:match "^redis%-scripts/(.*)%.lua$"
  if script then return ("spec/redis/%s_spec.lua"):format(script) end
  local folder, name = path:match "^host/(.-)([^/]+)%.c$"
  return ("tests/unit/%stest_%s.c"):format(folder, name)
end

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

local function sources()
  local paths = {}
  local listing <close> = assert(io.popen
    "find lua/weir redis-scripts -name '*.lua'; find host -name '*.c'")
  for path in listing:lines() do paths[#paths + 1] = path end
  table.sort(paths)
  assert(#paths > 100, "no sources where the specs run")
  return paths
end

describe("a source file", function()
  local tested_by = {}
  for test, paths in pairs(elsewhere) do
    for _, path in ipairs(paths) do tested_by[path] = test end
  end

  it("has a spec of its own name", function()
    for _, path in ipairs(sources()) do
      local spec = spec_of(path)
      if spec and not tested_by[path] then
        assert(exists(spec), ("%s has no spec: write %s"):format(path, spec))
      end
    end
  end)

  it("is in the list of exceptions only as long as it is one", function()
    for path, test in pairs(tested_by) do
      assert(exists(path), path .. " is gone: take it from spec/support/tested_elsewhere.lua")
      assert(not exists(spec_of(path)), path .. " has a spec: take it from spec/support/tested_elsewhere.lua")
      assert(exists(test), ("%s is gone, which tests %s"):format(test, path))
    end
  end)
end)
