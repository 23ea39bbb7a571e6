-- A graph like a diamond: two ways from one node to another. With "fail":true one way fails; the graph says which node
-- it was, `merge` is never started, and `weir retry` goes on from there.
--
--   weir run diamond --dir workflows --data '{"n":5}'
local weir = require "weir"

local square = weir.workflow { id = "square", run = function(_, data) return data.n * data.n end }

local double = weir.workflow {
  id = "double-or-fail",
  run = function(_, data)
    if data.fail then error(weir.fatal "path-b is closed") end
    return data.n * 2
  end,
}

local diamond = weir.graph {
  id = "diamond",
  nodes = {
    { key = "start", workflow = "pass-on", data = function(input) return input end },
    { key = "path-a", workflow = "square", depends_on = { "start" },
      data = function(_, deps) return { n = deps.start.n } end },
    { key = "path-b", workflow = "double-or-fail", depends_on = { "start" },
      data = function(_, deps) return deps.start end },
    { key = "merge", workflow = "pass-on", depends_on = { "path-a", "path-b" },
      data = function(_, deps) return { sum = deps["path-a"] + deps["path-b"] } end },
  },
}

return { diamond, square, double, weir.workflow { id = "pass-on", run = function(_, data) return data end } }
