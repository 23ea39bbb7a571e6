-- ctx:progress and ctx:status: tell people how far a run is, and what it is doing.
--
--   weir run import --dir workflows --data '{"rows":["a","b","c"]}'
--
-- weir show, weir wait and weir list print it. Redis keeps only what was said last. It is no operation, so it adds
-- nothing to the journal, and a replay is silent.
local weir = require "weir"

local import = weir.workflow {
  id = "import",
  run = function(ctx, data)
    local imported = weir.array {}
    for i, row in ipairs(data.rows) do
      ctx:progress(i - 1, #data.rows, "row " .. row)
      imported[i] = ctx:step("row-" .. i, function() return row:upper() end)
    end
    ctx:progress(#data.rows, #data.rows)

    ctx:status("waits for the index")
    ctx:sleep(data.index_takes or "10ms")
    ctx:status("done")
    return imported
  end,
}

return { import }
