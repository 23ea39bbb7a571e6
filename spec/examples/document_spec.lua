-- workflows/document.lua: which of several children was invoked.

local testing = require "weir.testing"

describe("document", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  local texts = {
    pdf = { data = { pages = { "one", "two" } }, expected = { kind = "pdf", pages = 2 } },
    image = { data = { width = 4, height = 3 }, expected = { kind = "image", pixels = 12 } },
    generic = { data = { text = "text" }, expected = { kind = "generic", bytes = 4 } },
  }
  for kind, one in pairs(texts) do
    it("processes " .. kind, function()
      local result = runner:run("process-document", { document_type = kind, data = one.data })
      assert.same(one.expected, result.result)
      assert.equal("process-" .. kind, result:operation("process_" .. kind).workflow)
      assert.equal(1, #result.operations)
    end)
  end
end)
