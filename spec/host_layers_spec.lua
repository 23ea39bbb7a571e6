-- The folders of host/ include each other in one direction: a folder may use those named here.

local MAY_USE = {
  base = {},
  assets = { "base" },
  config = { "assets", "base" },
  redis = { "assets", "base", "config" },
  lua = { "assets", "base", "config", "redis" },
  client = { "assets", "base", "config", "redis" },
  serve = { "assets", "base", "client", "config", "lua", "redis" },
  cli = { "assets", "base", "client", "config", "lua", "redis" },
}

local function files(folder)
  local listing <close> = assert(io.popen(("ls host/%s/*.[ch]"):format(folder)))
  local found = {}
  for path in listing:lines() do found[#found + 1] = path end
  return found
end

describe("a folder of host/", function()
  for folder, uses in pairs(MAY_USE) do
    local allowed = { [folder] = true }
    for _, name in ipairs(uses) do allowed[name] = true end

    it(("%s includes only folders below it"):format(folder), function()
      local paths = files(folder)
      assert(#paths > 0, "no files in host/" .. folder)
      for _, path in ipairs(paths) do
        for line in io.lines(path) do
          local other = line:match '^#include "(%w+)/'
          assert(not other or allowed[other], ("%s includes host/%s"):format(path, tostring(other)))
        end
      end
    end)
  end
end)
