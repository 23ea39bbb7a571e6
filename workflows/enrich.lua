-- ctx:map: the same durable code for each item of a list, so many at a time, with a few failures tolerated.
--
--   weir run enrich --dir workflows --data '{"customers":["Ada","","Bob"]}'
local weir = require "weir"

local lookup = weir.workflow {
  id = "look-up",
  run = function(_, data)
    if data.name == "" then error(weir.fatal "a customer has no name") end
    return { name = data.name, letters = #data.name }
  end,
}

-- Each item is a branch: its operations are map's id, the item's number and their own id, "customers:2:look-up". With
-- `tolerate` each result is { ok, value, error }; a fourth failure would cancel the rest and raise too_many_failures.
local enrich = weir.workflow {
  id = "enrich",
  run = function(ctx, data)
    local results = ctx:map {
      id = "customers",
      items = data.customers,
      concurrency = 10,
      tolerate = 3,
      run = function(branch, name, index)
        local found = branch:invoke { id = "look-up", workflow = "look-up", data = { name = name } }
        return branch:step("store", function() return index .. ": " .. found.name end)
      end,
    }
    local stored, failed = weir.array {}, weir.array {}
    for index, result in ipairs(results) do
      if result.ok then
        stored[#stored + 1] = result.value
      else
        failed[#failed + 1] = index
      end
    end
    return { stored = stored, failed = failed }
  end,
}

-- `items` may be a function that returns the next item with each call. It may wait: here it reads page after page, and
-- a page is read when a branch has room for its items. Without `tolerate` the first failure cancels the rest.
local enrich_pages = weir.workflow {
  id = "enrich-pages",
  run = function(ctx, data)
    local pages = coroutine.wrap(function()
      for page = 1, data.pages do
        local names = ctx:step("page-" .. page, function() return { "a" .. page, "b" .. page } end)
        for _, name in ipairs(names) do coroutine.yield(name) end
      end
    end)
    return ctx:map {
      id = "names",
      items = pages,
      concurrency = 2,
      run = function(branch, name) return branch:step("shout", function() return name:upper() end) end,
    }
  end,
}

return { enrich, enrich_pages, lookup }
