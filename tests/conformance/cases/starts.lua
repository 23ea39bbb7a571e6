-- Starts from outside: the same request again, another request under the same id, options.

local DATA = { start = 1 }

return {
  { "the same request again is the same run", run = [[ return data ]],
    play = { { "start", "r", data = DATA }, { "ends", "r" }, { "start", "r", data = DATA } }, result = DATA },
  { "the same request while it runs is the same run", run = [[ ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "start", "r" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true },
  { "the same data as JSON values is the same", run = [[ return data ]],
    play = { { "start", "r", data = { n = 5, list = { 1 } } }, { "ends", "r" },
             { "start", "r", data = { n = 5.0, list = { 1.0 } } } }, result = { n = 5, list = { 1 } } },
  { "other data is refused", run = [[ return data ]],
    play = { { "start", "r", data = DATA }, { "ends", "r" }, { "start", "r", data = { start = 2 } } },
    expect = { r = { state = "completed" } } },
  { "another workflow is refused", run = [[ return data ]],
    play = { { "start", "r" }, { "ends", "r" }, { "start", "r", workflow = "echo" } }, result = {} },
  { "an unknown workflow is refused", run = [[ return data ]],
    play = { { "start", "r" }, { "ends", "r" }, { "start", "r.b", workflow = "nobody's" } }, result = {} },
  { "data that the schema refuses is refused", run = [[ return data ]],
    play = { { "start", "r" }, { "ends", "r" }, { "start", "r.b", workflow = "strict", data = { amount = 0 } } },
    result = {}, differs = { ["r.b"] = { state = "failed", error = "~invalid_data" } } },
  { "data that the schema allows is taken", run = [[ return data ]],
    play = { { "start", "r", workflow = "strict", data = { amount = 2 } }, { "ends", "r" } }, result = 2 },
  { "with tags, a priority and a queue", run = [[ return 1 ]],
    play = { { "start", "r", tags = { customer = "c1", vip = "yes" }, priority = -5, queue = "mine" },
             { "ends", "r" } },
    result = 1, expect = { r = { queue = "mine", priority = -5, tags = { customer = "c1", vip = "yes" } } } },
  { "with a delay", run = [[ return 1 ]],
    play = { { "start", "r", delay = "4s" }, { "state", "r", "scheduled" }, { "ends", "r" } }, result = 1 },
  { "an id with a slash is refused", run = [[ return 1 ]],
    play = { { "start", "r" }, { "ends", "r" }, { "start", "r/x", priority = 1 } }, result = 1 },
}
