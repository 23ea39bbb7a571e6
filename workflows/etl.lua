-- A graph: nodes run when what they depend on has completed, and get its results. Here one after another.
--
--   weir run etl --dir workflows --data '{"source":"s3://bucket/data.csv"}'
local weir = require "weir"

local extract = weir.workflow {
  id = "extract",
  run = function(ctx, data)
    return ctx:step("read", function()
      return { source = data.source, rows = { { "Ada ", 36 }, { " Eve", 41 }, { "Ada ", 36 } } }
    end)
  end,
}

-- The run reads a dependency's result where it needs it: `ctx.deps` fetches a result on demand.
local transform = weir.workflow {
  id = "transform",
  run = function(ctx, data)
    local seen, clean = {}, weir.array {}
    for _, row in ipairs(ctx.deps.extract.rows) do
      local name = row[1]:match "^%s*(.-)%s*$"
      if not (data.unique and seen[name]) then
        clean[#clean + 1] = { name = name, age = row[2] }
        seen[name] = true
      end
    end
    return { rows = clean }
  end,
}

local load = weir.workflow {
  id = "load",
  run = function(ctx, data)
    return ctx:step("write", function()
      return { table_name = data.table_name, rows = #data.rows }
    end)
  end,
}

local etl = weir.graph {
  id = "etl",
  nodes = {
    { key = "extract", workflow = "extract", data = function(input) return { source = input.source } end },
    { key = "transform", workflow = "transform", depends_on = { "extract" }, timeout = "5m", data = { unique = true } },
    { key = "load", workflow = "load", depends_on = { "transform" },
      data = function(_, deps) return { table_name = "people", rows = deps.transform.rows } end },
  },
}

return { etl, extract, transform, load }
