local clients = require "spec.support.clients"

describe("the options of a preflight", function()
  it("are the limits that the flags set, and progress on a terminal", function()
    local now, shown = 0, {}
    clients.load {
      is_terminal = function() return true end, now_ms = function() return now end, width = function() return 80 end,
      height = function() return 24 end, show = function(text) shown[#shown + 1] = text or "" end,
    }
    local options, clear = require("weir.cli.preflight_options").of { max_cpu_ms = 5000, max_memory = 1 << 20 }
    assert.same({ 5000, 1 << 20 }, { options.cpu_ms, options.memory_bytes })
    options.on_progress(50, 1000)
    assert.same({}, shown)
    now = 1000
    options.on_progress(100, 1000)
    assert.matches("replayed 100 of 1,000 runs", shown[1], 1, true)
    clear()
    clear()
    assert.equal(3, #shown)
    clients.unload()
  end)
end)
